// SPDX-License-Identifier: Apache-2.0
//
// Cancel requests: libpq connects for them by itself, and no PGconn of the program's is involved.

#include "tests/preload/programs/program.h"

using namespace program;

int main() {
  PGconn* conn = Connect();
  PGcancel* cancel = PQgetCancel(conn);
  char message[256] = "";
  for (int i = 0; i < 3; ++i) Say("cancel: %d", PQcancel(cancel, message, sizeof(message)));
  PQfreeCancel(cancel);
  Say("request cancel: %d", PQrequestCancel(conn));
  Finish(conn);
  SayDescriptors();
}
