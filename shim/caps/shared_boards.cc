// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/shared_boards.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "shim/ledger/directory.h"
#include "shim/support/raw_syscall.h"

namespace pqleash::caps {

void SharedBoards::Use(const char* directory, uid_t uid, const BoardPlace& place) {
  directory_ = directory;
  uid_ = uid;
  place_ = place;
  // Asks the kernel directly: a host may have replaced libc's geteuid, as fakeroot does.
  kernel_uid_ = static_cast<uid_t>(RawSyscall(SYS_geteuid, 0));
}

bool SharedBoards::Open(int directory, char (&problem)[256]) {
  if (used_ == kMost) {
    snprintf(problem, sizeof(problem),
             "this process has used %u boards, which is the most, and all of them are gone", kMost);
    return false;
  }
  BoardFile file = {};
  if (!OpenSharedBoard(directory, uid_, place_, true, &boards_[used_], problem, &file))
    return false;
  file_ = file;
  current_.store(used_++, std::memory_order_release);
  return true;
}

bool SharedBoards::OfAnotherUser() const {
  return current().attached() && static_cast<uid_t>(RawSyscall(SYS_geteuid, 0)) != kernel_uid_;
}

void SharedBoards::Leave() {
  Board& board = current();
  current_.store(kMost, std::memory_order_release);
  if (board.attached()) EmptyBoard(&board);
}

bool SharedBoards::Outdated() const {
  if (directory_[0] == '\0') return false;
  if (!current().attached())
    return static_cast<uid_t>(RawSyscall(SYS_geteuid, 0)) == kernel_uid_ && used_ < kMost;
  char name[kBoardNameSize];
  NameBoard(kBoardVersion, place_, name);
  char path[512];
  snprintf(path, sizeof(path), "%s/%s", directory_, name);
  struct stat status;
  return fstatat(AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW) != 0
             ? errno == ENOENT || errno == ENOTDIR
             : status.st_dev != file_.device || status.st_ino != file_.inode;
}

bool SharedBoards::OpenAgain(char (&problem)[256]) {
  ledger::Problem of_directory = {};
  const int directory = ledger::OpenDirectory(directory_, uid_, &of_directory);
  if (directory < 0) {
    snprintf(problem, sizeof(problem), "%.250s", of_directory.text);
    return false;
  }
  const bool opened = Open(directory, problem);
  close(directory);
  return opened;
}

int SharedBoards::OpenDirectory() const {
  if (directory_[0] == '\0') return -1;
  return open(directory_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

}  // namespace pqleash::caps
