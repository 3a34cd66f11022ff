// SPDX-License-Identifier: Apache-2.0
//
// What the programs of HOSTS.md share: a table of modes, one of which the first argument names.
// With
// --modes a program prints them all.

#ifndef PQLEASH_TESTS_PRELOAD_HOSTS_HOST_H_
#define PQLEASH_TESTS_PRELOAD_HOSTS_HOST_H_

#include <cstddef>
#include <initializer_list>

#include "tests/preload/programs/program.h"

namespace program {

// No mode of any program ends with it.
inline constexpr int kNoSuchMode = 64;

struct HostMode {
  const char* name;
  int (*run)();  // returns the exit code
};

template <size_t kCount>
int RunMode(int argc, char** argv, const HostMode (&modes)[kCount]) {
  const bool list = argc > 1 && strcmp(argv[1], "--modes") == 0;
  for (const HostMode& mode : modes) {
    if (list) Say("%s", mode.name);
    if (argc > 1 && strcmp(argv[1], mode.name) == 0) return mode.run();
  }
  return list ? 0 : kNoSuchMode;
}

// Connects, works, ends: what every host does with libpq.
inline void Work() {
  PGconn* conn = Connect();
  Query(conn, "SELECT 1");
  Finish(conn);
}

}  // namespace program

#endif  // PQLEASH_TESTS_PRELOAD_HOSTS_HOST_H_
