// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/ledger_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "shim/ledger/layout.h"
#include "shim/support/outer_uid.h"

namespace pqleash::reporter {
namespace {

constexpr std::string_view kDirectoryPrefix = "pqleash-";

// Takes a decimal number off the front of `text`: digits only, no leading zero unless it is 0
// itself.
template <typename Number>
std::optional<Number> TakeNumber(std::string_view* text) {
  Number number{};
  const char* end = text->data() + text->size();
  if (text->empty() || !(text->front() >= '0' && text->front() <= '9')) return std::nullopt;
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  const auto size = static_cast<size_t>(rest - text->data());
  if (error != std::errc() || (text->front() == '0' && size > 1)) return std::nullopt;
  text->remove_prefix(size);
  return number;
}

bool Take(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

std::vector<std::string> NamesIn(DIR* directory) {
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory)) names.emplace_back(entry->d_name);
  std::sort(names.begin(), names.end());
  return names;
}

// The user that a directory called pqleash-<uid> must belong to.
std::optional<uid_t> OwnerByName(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (!Take(&name, kDirectoryPrefix)) return std::nullopt;
  const std::optional<uid_t> uid = TakeNumber<uid_t>(&name);
  return name.empty() ? uid : std::nullopt;
}

LedgerError Problem(LedgerError::Kind kind, const std::string& path, const std::string& what) {
  return {kind, fmt::format("ledger directory {} {}", path, what)};
}

std::optional<LedgerError> CheckOwner(int fd, const std::string& path) {
  const std::optional<uid_t> owner = OwnerByName(path);
  struct stat status;
  if (!owner || fstat(fd, &status) != 0) return std::nullopt;
  // Of a user namespace's root, say, the directory has the number outside.
  if (status.st_uid != *owner && OuterUid(status.st_uid) != *owner) {
    return Problem(
        LedgerError::Kind::kDamaged, path,
        fmt::format("belongs to user {}, expected {}: somebody else made it, and it is not "
                    "looked into; remove it",
                    status.st_uid, *owner));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Problem(
        LedgerError::Kind::kDamaged, path,
        "is writable for other users, expected mode 0700: it is not looked into; correct "
        "it with chmod 700");
  }
  return std::nullopt;
}

}  // namespace

std::optional<LedgerName> ParseLedgerName(std::string_view name) {
  const auto pid = TakeNumber<int32_t>(&name);
  if (!pid || *pid == 0 || !Take(&name, "-")) return std::nullopt;
  const auto ticks = TakeNumber<uint64_t>(&name);
  if (!ticks) return std::nullopt;
  LedgerName result{*pid, *ticks, 0};
  if (Take(&name, ledger::kFileSuffix)) return name.empty() ? std::optional(result) : std::nullopt;
  if (!Take(&name, ".")) return std::nullopt;
  const auto image = TakeNumber<uint32_t>(&name);
  if (!image || *image == 0 || name != ledger::kFileSuffix) return std::nullopt;
  result.image = *image;
  return result;
}

uid_t ReadingUid() {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  const bool known = syscall(SYS_capget, &header, data) == 0;
  const uint32_t effective = data[CAP_TO_INDEX(CAP_DAC_READ_SEARCH)].effective;
  return known && (effective & CAP_TO_MASK(CAP_DAC_READ_SEARCH)) != 0 ? 0 : geteuid();
}

std::vector<std::string> LedgerDirectories(const std::string& configured, uid_t uid,
                                           const config::DirectoryRoots& roots) {
  if (!configured.empty()) return {configured};
  std::vector<std::string> directories;
  const auto add = [&](const std::string& path) {
    if (std::find(directories.begin(), directories.end(), path) == directories.end())
      directories.push_back(path);
  };
  if (uid == 0) {
    if (const Directory directory{opendir(roots.shm.c_str())}) {
      for (const std::string& name : NamesIn(directory.get())) {
        const std::optional<uid_t> owner = OwnerByName(name);
        if (!owner) continue;
        add(fmt::format("{}/{}", roots.shm, name));
        // Where a user's is somebody else's, that user's is elsewhere.
        for (const std::string& path : config::DefaultDirectories(*owner, roots)) {
          if (access(path.c_str(), F_OK) == 0) add(path);
        }
      }
    }
  }
  for (const std::string& path : config::DefaultDirectories(uid, roots)) add(path);
  return directories;
}

int OpenLedgerDirectory(const std::string& path, std::optional<LedgerError>* problem) {
  problem->reset();
  // A configured directory may be a link that the user set up; one with a predictable name in a
  // directory that all may write to must not be.
  const int no_follow = OwnerByName(path) ? O_NOFOLLOW : 0;
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | no_follow);
  if (fd < 0) {
    if (errno == ENOENT) return -1;
    const bool denied = errno == EACCES || errno == EPERM;
    *problem = Problem(
        denied ? LedgerError::Kind::kNoPermission : LedgerError::Kind::kReadFailed, path,
        denied ? std::string("may not be read by this user: run pqleash as its owner, or as root")
               : fmt::format("cannot be opened: {}; expected a directory", std::strerror(errno)));
    return -1;
  }
  *problem = CheckOwner(fd, path);
  if (!*problem) return fd;
  close(fd);
  return -1;
}

std::vector<std::string> NamesInDirectory(int directory) {
  const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return {};
  const Directory stream{fdopendir(fd)};
  if (stream) return NamesIn(stream.get());
  close(fd);
  return {};
}

LedgerListing ListLedgers(const std::vector<std::string>& directories) {
  LedgerListing listing;
  for (const std::string& path : directories) {
    std::optional<LedgerError> problem;
    const int fd = OpenLedgerDirectory(path, &problem);
    if (problem) listing.problems.push_back(*std::move(problem));
    if (fd < 0) continue;
    std::vector<LedgerEntry> own;
    for (const std::string& name : NamesInDirectory(fd)) {
      if (const auto parsed = ParseLedgerName(name)) {
        own.push_back({fmt::format("{}/{}", path, name), *parsed});
      }
    }
    close(fd);
    MarkNewestImages(&own);
    listing.entries.insert(listing.entries.end(), own.begin(), own.end());
  }
  return listing;
}

void MarkNewestImages(std::vector<LedgerEntry>* entries) {
  std::sort(entries->begin(), entries->end(),
            [](const LedgerEntry& a, const LedgerEntry& b) { return a.name < b.name; });
  for (size_t i = 0; i + 1 < entries->size(); ++i) {
    const LedgerName& name = (*entries)[i].name;
    const LedgerName& next = (*entries)[i + 1].name;
    (*entries)[i].newest_image = name.pid != next.pid || name.start_ticks != next.start_ticks;
  }
}

}  // namespace pqleash::reporter
