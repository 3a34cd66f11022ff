// SPDX-License-Identifier: Apache-2.0
//
// Opens the number of connections given as the argument, against the stand-in, and prints what of
// the process is resident then, in bytes: all of it, and the part that belongs to no file.

#include <libpq-fe.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

// A field of /proc/self/status in bytes; 0: there is none.
long ReadStatus(const char* name) {
  FILE* file = fopen("/proc/self/status", "re");
  if (file == nullptr) return 0;
  char line[256];
  long kilobytes = 0;
  while (fgets(line, sizeof(line), file) != nullptr) {
    if (strncmp(line, name, strlen(name)) == 0)
      kilobytes = strtol(line + strlen(name), nullptr, 10);
  }
  fclose(file);
  return kilobytes * 1024;
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? atoi(argv[1]) : 0;  // NOLINT(cert-err34-c): from scripts/bench
  for (int i = 0; i < count; ++i) {
    if (PQstatus(PQconnectdb("")) != CONNECTION_OK) return 1;
  }
  printf("{\"resident\": %ld, \"private\": %ld, \"shared\": %ld}\n", ReadStatus("VmRSS:"),
         ReadStatus("RssAnon:"), ReadStatus("RssShmem:"));
}
