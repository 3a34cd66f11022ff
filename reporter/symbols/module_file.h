// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SYMBOLS_MODULE_FILE_H_
#define PQLEASH_REPORTER_SYMBOLS_MODULE_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace pqleash::reporter {

// A module of a process, and where it may be found on disk.
struct ModuleFile {
  std::string path;      // as the process saw it
  std::string build_id;  // bytes; empty: it has none
  bool is_exe = false;   // the main program
  int32_t live_pid = 0;  // the process as we see it, while it lives; 0: gone
};

// Files to try for it, best first. For a living process in another mount namespace its own root
// comes before ours.
std::vector<std::string> CandidatePaths(const ModuleFile& module,
                                        const std::string& proc = "/proc");

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SYMBOLS_MODULE_FILE_H_
