// SPDX-License-Identifier: Apache-2.0
//
// Closes what it did not open, as daemons do, then uses these numbers for files of its own. Nothing
// but its own words may be in them.
//   finished  the first connection is finished before
//   held      it is kept (a stand-in has no socket)

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

constexpr int kFiles = 12;

}  // namespace

int main(int argc, char** argv) {
  PGconn* first = Connect();
  if (Mode(argc, argv, "finished")) Finish(first);
  Say("closed: %d", close_range(3, ~0U, 0));
  int files[kFiles];
  for (int i = 0; i < kFiles; ++i) {
    char name[16];
    snprintf(name, sizeof(name), "own-%d", i);
    files[i] = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    Say("file %d has number %d", i, files[i]);
  }
  PGconn* second = Connect();
  Query(second, "SELECT 1");
  if (Mode(argc, argv, "held")) {
    Query(first, "SELECT 1");
    Finish(first);
  }
  Connect(kFailing);
  Finish(second);
  for (int file : files) {
    struct stat status = {};
    fstat(file, &status);
    Say("file %d has %d bytes", file, static_cast<int>(status.st_size));
  }
  SayDescriptors();
}
