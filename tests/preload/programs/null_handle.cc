// SPDX-License-Identifier: Apache-2.0
//
// What libpq allows to be called with NULL.

#include "tests/preload/programs/program.h"

using namespace program;

int main() {
  for (int round = 0; round < 2; ++round) {  // before and after the first connect
    Finish(nullptr);
    PQreset(nullptr);
    Say("%d %d %d", PQresetStart(nullptr), static_cast<int>(PQresetPoll(nullptr)),
        static_cast<int>(PQconnectPoll(nullptr)));
    Say("%s", PQexec(nullptr, "SELECT 1") == nullptr ? "no result" : "a result");
    Say("%d %d", PQsendQuery(nullptr, "SELECT 1"), PQflush(nullptr));
    Say("%s", PQgetResult(nullptr) == nullptr ? "no result" : "a result");
    Say("%d", PQconsumeInput(nullptr));
    if (round == 0) Finish(Connect());
  }
  SayDescriptors();
}
