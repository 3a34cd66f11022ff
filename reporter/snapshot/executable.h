// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SNAPSHOT_EXECUTABLE_H_
#define PQLEASH_REPORTER_SNAPSHOT_EXECUTABLE_H_

#include <optional>
#include <string>

namespace pqleash::reporter {

// What decides whether a program can be preloaded into, and whether its libpq can be seen.
struct Executable {
  std::string interpreter;      // dynamic linker; empty: statically linked
  bool contains_libpq = false;  // defines PQconnectdb itself, as far as its symbols were kept
  bool privileged = false;      // set-user-ID or set-group-ID
  bool of_go = false;           // Go's linker made it
  int bits = 64;                // word size: 32 or 64
};

// No value: cannot be read, or is not an ELF file.
std::optional<Executable> ReadExecutable(const std::string& path);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_EXECUTABLE_H_
