// SPDX-License-Identifier: Apache-2.0

#include "reporter/symbols/module_file.h"

#include <fmt/format.h>

#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {

std::vector<std::string> CandidatePaths(const ModuleFile& module, const std::string& proc) {
  std::vector<std::string> paths;
  const bool absolute = module.path.starts_with('/');
  if (absolute) paths.push_back(module.path);
  if (module.live_pid == 0) return paths;
  const std::string process = fmt::format("{}/{}", proc, module.live_pid);
  if (absolute) {
    const auto theirs = ReadLink(process + "/ns/mnt");
    const auto ours = ReadLink(proc + "/self/ns/mnt");
    const bool same_root = theirs == ours && ReadLink(process + "/root") == "/";
    paths.insert(same_root ? paths.end() : paths.begin(), process + "/root" + module.path);
  }
  if (module.is_exe) paths.push_back(process + "/exe");
  return paths;
}

}  // namespace pqleash::reporter
