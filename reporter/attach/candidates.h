// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_ATTACH_CANDIDATES_H_
#define PQLEASH_REPORTER_ATTACH_CANDIDATES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pqleash::reporter {

// Processes whose executable has this file name, with a libpq mapped; of one user, or of all. Those
// of others are seen by root alone. By pid.
std::vector<int32_t> ProcessesOf(const std::string& program, std::optional<uint32_t> user,
                                 const std::string& proc = "/proc");

// Adds the children of these processes, theirs, and so on, each once, that have a libpq mapped.
void AddChildren(std::vector<int32_t>* pids, const std::string& proc = "/proc");

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_CANDIDATES_H_
