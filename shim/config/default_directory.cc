// SPDX-License-Identifier: Apache-2.0

#include "shim/config/default_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "shim/support/outer_uid.h"

namespace pqleash::config {

namespace {

enum class Whose { kNobodys, kTheirs, kOthers };  // kNobodys: the file does not exist

// Does not follow a link.
Whose OwnerOf(const std::string& path, uid_t uid, struct stat* status) {
  if (fstatat(AT_FDCWD, path.c_str(), status, AT_SYMLINK_NOFOLLOW) != 0) return Whose::kNobodys;
  return S_ISDIR(status->st_mode) && status->st_uid == uid ? Whose::kTheirs : Whose::kOthers;
}

Whose OwnerOf(const std::string& path, uid_t uid) {
  struct stat status;
  return OwnerOf(path, uid, &status);
}

bool IsPrivate(const std::string& path, uid_t uid) {
  struct stat status;
  return OwnerOf(path, uid, &status) == Whose::kTheirs && (status.st_mode & 077) == 0;
}

// Returns the candidates in the order of preference.
std::vector<std::string> Candidates(uid_t uid, const DirectoryRoots& roots) {
  // Root of a user namespace is an unprivileged user outside of it, where /dev/shm may be shared.
  const uid_t outer = OuterUid(uid);
  std::vector<std::string> candidates = {fmt::format("{}/pqleash-{}", roots.shm, outer)};
  const std::string own = fmt::format("{}/{}", roots.run, outer);
  if (IsPrivate(own, uid)) candidates.push_back(fmt::format("{}/pqleash-{}", own, outer));
  candidates.push_back(fmt::format("{}/pqleash-{}", roots.tmp, outer));
  return candidates;
}

}  // namespace

DefaultDirectory FindDefaultDirectory(uid_t uid, const DirectoryRoots& roots) {
  const std::vector<std::string> candidates = Candidates(uid, roots);
  const auto free = std::find_if(candidates.begin(), candidates.end(), [&](const auto& path) {
    return OwnerOf(path, uid) != Whose::kOthers;
  });
  if (free == candidates.begin() || free == candidates.end()) return {candidates.front(), ""};
  return {*free, candidates.front()};
}

std::vector<std::string> DefaultDirectories(uid_t uid, const DirectoryRoots& roots) {
  std::vector<std::string> directories = {FindDefaultDirectory(uid, roots).path};
  for (const std::string& path : Candidates(uid, roots)) {
    if (path != directories.front() && OwnerOf(path, uid) == Whose::kTheirs)
      directories.push_back(path);
  }
  return directories;
}

}  // namespace pqleash::config
