// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/candidates.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "reporter/reachability/memory_map.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

bool HasLibpq(int32_t pid, const std::string& proc) {
  const auto maps = ReadProcFile(fmt::format("{}/{}/maps", proc, pid), kMaxMaps);
  return maps && !ParseMaps(*maps).libpq.empty();
}

// Field 4 of /proc/PID/stat; the program's name in it may hold blanks and parentheses.
int32_t ParentOf(int32_t pid, const std::string& proc) {
  const std::string stat = ReadProcFile(fmt::format("{}/{}/stat", proc, pid)).value_or("");
  const size_t end = stat.rfind(')');
  constexpr size_t kToParent = 4;  // ') S '
  if (end == std::string::npos || stat.size() < end + kToParent) return 0;
  int32_t parent = 0;
  std::from_chars(stat.data() + end + kToParent, stat.data() + stat.size(), parent);
  return parent;
}

}  // namespace

std::vector<int32_t> ProcessesOf(const std::string& program, std::optional<uint32_t> user,
                                 const std::string& proc) {
  std::vector<int32_t> pids;
  for (const int32_t pid : ListPids(proc)) {
    const std::string directory = fmt::format("{}/{}", proc, pid);
    struct stat owner;
    if (user && (stat(directory.c_str(), &owner) != 0 || owner.st_uid != *user)) continue;
    const auto executable = ReadLink(directory + "/exe");
    if (!executable || FileName(*executable) != program || !HasLibpq(pid, proc)) continue;
    pids.push_back(pid);
  }
  return pids;
}

void AddChildren(std::vector<int32_t>* pids, const std::string& proc) {
  std::vector<int32_t> family = *pids;
  const std::vector<int32_t> all = ListPids(proc);
  // A child may have a smaller pid than its parent: until nothing is added.
  for (size_t before = 0; before != family.size();) {
    before = family.size();
    for (const int32_t pid : all) {
      const auto in = [&](int32_t each) {
        return std::find(family.begin(), family.end(), each) != family.end();
      };
      if (!in(pid) && in(ParentOf(pid, proc))) family.push_back(pid);
    }
  }
  for (size_t i = pids->size(); i < family.size(); ++i) {
    if (HasLibpq(family[i], proc)) pids->push_back(family[i]);
  }
}

}  // namespace pqleash::reporter
