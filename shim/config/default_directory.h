// SPDX-License-Identifier: Apache-2.0
//
// The directory of ledgers and boards when PQLEASH_DIR is not set. Every user can write to
// /dev/shm, so another user may have created this user's directory there first. The functions here
// then choose another directory, and choose the same one in all processes of the user and in the
// tool.

#ifndef PQLEASH_SHIM_CONFIG_DEFAULT_DIRECTORY_H_
#define PQLEASH_SHIM_CONFIG_DEFAULT_DIRECTORY_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace pqleash::config {

// The directories to search. Tests pass their own.
struct DirectoryRoots {
  std::string shm = "/dev/shm";
  std::string run = "/run/user";
  std::string tmp = "/tmp";
};

struct DefaultDirectory {
  std::string path;
  std::string taken;  // the usual path, if another user has taken it; else empty
};

// Returns the default directory of user `uid`: the first of these that no other user owns.
//
//  - <shm>/pqleash-<uid>
//  - <run>/<uid>/pqleash-<uid>, if <run>/<uid> belongs to the user and is closed to others
//  - <tmp>/pqleash-<uid>
//
// If another user owns all of them, returns the first one, which the caller will refuse. The caller
// must check the directory again when it opens it, because it may change in between. May throw
// std::bad_alloc.
DefaultDirectory FindDefaultDirectory(uid_t uid, const DirectoryRoots& roots = {});

// Returns all directories that may hold ledgers of the user: the one above, then the other
// candidates that exist and belong to the user. There can be several because a process keeps the
// directory that it started with. May throw std::bad_alloc.
std::vector<std::string> DefaultDirectories(uid_t uid, const DirectoryRoots& roots = {});

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_DEFAULT_DIRECTORY_H_
