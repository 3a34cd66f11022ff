// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SNAPSHOT_MAPPED_FILES_H_
#define PQLEASH_REPORTER_SNAPSHOT_MAPPED_FILES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

inline constexpr size_t kMaxMaps = 64 << 20;  // bytes of /proc/PID/maps that are read

// What a process has mapped, as far as it matters here.
struct MappedFiles {
  bool library = false;            // libpqleash.so
  std::vector<std::string> libpq;  // each path once
  std::vector<Language> interpreters;
};

// From the content of /proc/PID/maps. Pure.
MappedFiles ParseMaps(std::string_view maps);

// The interpreter that a file is: python3.11, libruby-3.1.so.3.1, php-fpm8.2, libperl.so.5.36.
// Pure.
std::optional<Language> InterpreterOf(std::string_view file_name);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_MAPPED_FILES_H_
