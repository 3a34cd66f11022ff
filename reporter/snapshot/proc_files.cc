// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/proc_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>

namespace pqleash::reporter {
namespace {

template <typename Number>
std::optional<Number> WholeNumber(std::string_view text) {
  Number number{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<std::string> ReadProcFile(const std::string& path, size_t limit) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::string content;
  char buffer[4096];
  while (content.size() < limit) {
    const ssize_t got = read(fd, buffer, std::min(sizeof buffer, limit - content.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      close(fd);
      errno = error;
      return std::nullopt;
    }
    if (got == 0) break;
    content.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
  return content;
}

std::optional<std::string> ReadLink(const std::string& path) {
  char buffer[PATH_MAX];
  const ssize_t size = readlink(path.c_str(), buffer, sizeof buffer);
  if (size < 0) return std::nullopt;
  return std::string(buffer, static_cast<size_t>(size));
}

std::optional<uint64_t> StartTicks(std::string_view stat) {
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  // Field 3 follows the name.
  std::string_view rest = stat.substr(name_end + 1);
  for (int field = 3;; ++field) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (rest.empty()) return std::nullopt;
    const size_t size = std::min(rest.find(' '), rest.size());
    if (field == 22) return WholeNumber<uint64_t>(rest.substr(0, size));
    rest.remove_prefix(size);
  }
}

std::optional<uint64_t> NamespaceInode(std::string_view link) {
  const size_t begin = link.find('[');
  if (begin == std::string_view::npos || !link.ends_with(']')) return std::nullopt;
  return WholeNumber<uint64_t>(link.substr(begin + 1, link.size() - begin - 2));
}

std::vector<int32_t> ListPids(const std::string& proc) {
  std::vector<int32_t> pids;
  DIR* directory = opendir(proc.c_str());
  if (directory == nullptr) return pids;
  while (const dirent* entry = readdir(directory)) {
    if (const auto pid = WholeNumber<int32_t>(entry->d_name); pid && *pid > 0) {
      pids.push_back(*pid);
    }
  }
  closedir(directory);
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace pqleash::reporter
