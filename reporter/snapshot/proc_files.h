// SPDX-License-Identifier: Apache-2.0
//
// Reading /proc. Each function takes the directory where it is mounted, so that a test can make one
// of its own.

#ifndef PQLEASH_REPORTER_SNAPSHOT_PROC_FILES_H_
#define PQLEASH_REPORTER_SNAPSHOT_PROC_FILES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter {

// Up to `limit` bytes of a file; no value: errno says why.
std::optional<std::string> ReadProcFile(const std::string& path, size_t limit = 1 << 20);

// What a symbolic link holds; no value: errno says why.
std::optional<std::string> ReadLink(const std::string& path);

// Field 22 of the content of /proc/PID/stat: start time in clock ticks. The name of the program in
// it may hold blanks and parentheses.
std::optional<uint64_t> StartTicks(std::string_view stat);

// Inode in the target of a namespace link such as 'pid:[4026531836]'.
std::optional<uint64_t> NamespaceInode(std::string_view link);

// Pids under `proc`, ascending.
std::vector<int32_t> ListPids(const std::string& proc);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_PROC_FILES_H_
