// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/board_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "shim/support/host_state.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace pqleash::caps {

namespace {

void* MapFile(int fd, uint64_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return memory != MAP_FAILED ? memory : nullptr;
}

// Growing a file beyond RLIMIT_FSIZE raises SIGXFSZ, whose default ends the host (setrlimit(2)).
bool MayGrowTo(uint64_t size) {
  rlimit file_size = {};
  if (getrlimit(RLIMIT_FSIZE, &file_size) == 0 && size <= file_size.rlim_cur) return true;
  errno = EFBIG;
  return false;
}

// Makes a complete board under a name of its own and links it into place: nobody sees half of one.
// errno: EEXIST, another process was faster.
bool MakeBoard(int directory, const char* name, uint64_t pid_namespace) {
  const uint64_t size = Board::Size(kSharedCapacity);
  if (!MayGrowTo(size)) return false;
  char own[96];
  // The thread's number: two of this process may be here at once.
  snprintf(own, sizeof(own), "%s.%d", name, gettid());
  unlinkat(directory, own, 0);  // of an earlier thread of that number
  const int fd = openat(directory, own, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  bool made = false;
  if (ftruncate(fd, static_cast<off_t>(size)) == 0) {
    if (void* memory = MapFile(fd, size)) {
      const bool by_page = madvise(memory, 1, MADV_POPULATE_WRITE) == 0 || errno != EINVAL;
      Board board;
      made = (by_page || posix_fallocate(fd, 0, static_cast<off_t>(size)) == 0) &&
             board.Create(memory, kSharedCapacity, true, pid_namespace, MakePages);
      munmap(memory, size);
    }
  }
  int error = made ? 0 : ENOSPC;
  if (made && linkat(directory, own, directory, name, 0) != 0) error = errno;
  unlinkat(directory, own, 0);
  close(fd);
  errno = error;
  return error == 0;
}

}  // namespace

bool MakePages(void* begin, size_t size) noexcept {
  const auto page = static_cast<uintptr_t>(getpagesize());
  const uintptr_t first = reinterpret_cast<uintptr_t>(begin) / page * page;
  const uintptr_t last = reinterpret_cast<uintptr_t>(begin) + size;
  // Kernels before 5.14 do not know the advice (EINVAL): MakeBoard has made all pages at once.
  return madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE) == 0 ||
         errno == EINVAL;
}

bool OpenSharedBoard(int directory, uid_t uid, uint64_t pid_namespace, bool create, Board* board,
                     char (&problem)[256]) noexcept {
  const HostStateKeeper keeper;
  char name[64];
  snprintf(name, sizeof(name), kBoardName, kBoardVersion,
           static_cast<unsigned long long>(pid_namespace));
  int fd = -1;
  for (int turn = 0; turn < 3 && fd < 0; ++turn) {
    fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 || errno != ENOENT || !create) break;
    if (!MakeBoard(directory, name, pid_namespace) && errno != EEXIST) break;
  }
  if (fd < 0) {
    snprintf(problem, sizeof(problem), "cannot open %s: %s", name, strerrordesc_np(errno));
    return false;
  }
  struct stat status;
  bool attached = false;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != uid ||
      (status.st_mode & 077) != 0) {
    snprintf(problem, sizeof(problem),
             "%s is no regular file of user %u with mode 600: remove it while no process uses it",
             name, uid);
  } else if (void* memory = MapFile(fd, static_cast<uint64_t>(status.st_size))) {
    attached = board->Attach(memory, static_cast<uint64_t>(status.st_size), MakePages);
    if (!attached) {
      munmap(memory, static_cast<size_t>(status.st_size));
      snprintf(problem, sizeof(problem), "%s is damaged: remove it while no process uses it", name);
    }
  } else {
    snprintf(problem, sizeof(problem), "cannot map %s: %s", name, strerrordesc_np(errno));
  }
  close(fd);
  return attached;
}

}  // namespace pqleash::caps
