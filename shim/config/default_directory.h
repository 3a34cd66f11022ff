// SPDX-License-Identifier: Apache-2.0
//
// Where ledgers and boards are when nothing is configured. /dev/shm is open to everybody, so
// another user may have made the directory of one's name there first: then it is one that is
// nobody else's, and all processes of the user, and the tool, find the same.

#ifndef PQLEASH_SHIM_CONFIG_DEFAULT_DIRECTORY_H_
#define PQLEASH_SHIM_CONFIG_DEFAULT_DIRECTORY_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace pqleash::config {

// Tests have others.
struct DirectoryRoots {
  std::string shm = "/dev/shm";
  std::string run = "/run/user";
  std::string tmp = "/tmp";
};

struct DefaultDirectory {
  std::string path;
  std::string taken;  // not empty: the usual one, which is somebody else's
};

// <shm>/pqleash-<uid>; where that is no directory of the user's: <run>/<uid>/pqleash-<uid>, if
// <run>/<uid> is the user's and closed to others, else <tmp>/pqleash-<uid>; where that is not the
// user's either, the usual one after all, which will be refused. Whoever uses it checks it once
// more. May throw std::bad_alloc.
DefaultDirectory FindDefaultDirectory(uid_t uid, const DirectoryRoots& roots = {});

// All in which there may be ledgers of the user: the one above first, then those others that are
// there and the user's. A process keeps the one that it began with.
std::vector<std::string> DefaultDirectories(uid_t uid, const DirectoryRoots& roots = {});

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_DEFAULT_DIRECTORY_H_
