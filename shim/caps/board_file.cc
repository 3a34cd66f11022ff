// SPDX-License-Identifier: Apache-2.0

#include "shim/caps/board_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "shim/support/host_state.h"
#include "shim/support/raw_syscall.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace pqleash::caps {

namespace {

void* MapFile(int fd, uint64_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return memory != MAP_FAILED ? memory : nullptr;
}

// Growing a file beyond RLIMIT_FSIZE raises SIGXFSZ, which by default ends the host (setrlimit(2)).
bool MayGrowTo(uint64_t size) {
  rlimit file_size = {};
  if (getrlimit(RLIMIT_FSIZE, &file_size) == 0 && size <= file_size.rlim_cur) return true;
  errno = EFBIG;
  return false;
}

constexpr mode_t kShut = 0400;
constexpr mode_t kOpen = 0600;

// A raw system call, because fakeroot and similar programs replace fchmod.
void ChangeMode(int fd, mode_t mode) { RawSyscall(SYS_fchmod, static_cast<uintptr_t>(fd), mode); }

constexpr int kFlags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;

// Opens the board for writing. Its mode is 0400, so only root can open it directly; for other users
// the mode is 0600 for a moment. Other processes do the same, and may set the mode back in between.
int OpenForWriting(int directory, const char* name, uid_t uid) {
  int fd = openat(directory, name, O_RDWR | kFlags);
  for (int turn = 0; turn < 8 && fd < 0 && errno == EACCES; ++turn) {
    const int shut = openat(directory, name, O_RDONLY | kFlags);
    if (shut < 0) return -1;
    struct stat status;
    if (fstat(shut, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != uid) {
      close(shut);
      errno = EACCES;
      return -1;
    }
    ChangeMode(shut, kOpen);
    fd = openat(directory, name, O_RDWR | kFlags);
    const int error = errno;
    ChangeMode(shut, kShut);
    close(shut);
    errno = error;
  }
  return fd;
}

// The mappings of this process that a forked child does not inherit. A child that a signal handler
// forks may return to code that uses the board. It must find zeros there, not a hole.
struct Mapping {
  std::atomic<void*> begin;
  std::atomic<size_t> size;
};
constinit Mapping mappings[256] = {};

void PutZeros(void* begin, size_t size, int flags) {
  RawSyscall(SYS_mmap, reinterpret_cast<uintptr_t>(begin), size, PROT_READ | PROT_WRITE,
             static_cast<uintptr_t>(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags),
             static_cast<uintptr_t>(-1), 0);
}

void FillHoles() {
  for (const Mapping& each : mappings) {
    void* begin = each.begin.load(std::memory_order_acquire);
    if (begin == nullptr) return;
    PutZeros(begin, each.size.load(std::memory_order_relaxed), MAP_FIXED_NOREPLACE);
  }
}

void KeepFromChildren(void* begin, size_t size) {
  static constinit std::atomic<bool> registered = false;
  for (Mapping& each : mappings) {
    void* none = nullptr;
    if (each.size.load(std::memory_order_relaxed) != 0) continue;
    each.size.store(size, std::memory_order_relaxed);
    if (!each.begin.compare_exchange_strong(none, begin, std::memory_order_release)) continue;
    if (!registered.exchange(true)) pthread_atfork(nullptr, nullptr, FillHoles);
    madvise(begin, size, MADV_DONTFORK);
    return;
  }
}

// A file that has no name: nothing is left of it where this process is killed. Some file systems
// have no such files (EOPNOTSUPP, EISDIR before Linux 3.11: open(2)).
int OpenNameless(int directory) {
  return openat(directory, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, kOpen);
}

// Linking by descriptor alone (AT_EMPTY_PATH) would need CAP_DAC_READ_SEARCH (linkat(2)).
int LinkNameless(int fd, int directory, const char* name) {
  char path[32];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW);
}

// Makes the file a complete board that is shut. Returns 0, or ENOSPC.
int Complete(int fd, const BoardPlace& place) {
  const uint64_t size = Board::Size(kSharedCapacity);
  bool made = false;
  if (ftruncate(fd, static_cast<off_t>(size)) == 0) {
    if (void* memory = MapFile(fd, size)) {
      const bool by_page = madvise(memory, 1, MADV_POPULATE_WRITE) == 0 || errno != EINVAL;
      Board board;
      made = (by_page || posix_fallocate(fd, 0, static_cast<off_t>(size)) == 0) &&
             board.Create(memory, kSharedCapacity, true, place, MakePages);
      munmap(memory, size);
    }
  }
  ChangeMode(fd, kShut);  // the mode must not depend on the umask
  return made ? 0 : ENOSPC;
}

// Makes a complete board in a nameless file and links it into place, so that no process sees an
// incomplete one. Returns false with errno EEXIST if another process was faster; `*without` says
// that nothing was made, because there are no nameless files here, or no way to name them.
bool MakeNamelessBoard(int directory, const char* name, const BoardPlace& place, bool* without) {
  const int fd = OpenNameless(directory);
  *without = fd < 0;
  if (fd < 0) return false;
  int error = Complete(fd, place);
  if (error == 0 && LinkNameless(fd, directory, name) != 0) {
    error = errno;
    *without = error != EEXIST;  // no /proc, for example
  }
  close(fd);
  errno = error;
  return error == 0;
}

// The same in a file with a temporary name. A process that is killed here leaves it.
bool MakeNamedBoard(int directory, const char* name, const BoardPlace& place) {
  char own[kBoardNameSize + 16];
  // The thread id makes the name unique, because two threads of this process may be here at once.
  snprintf(own, sizeof(own), "%s.%d", name, gettid());
  unlinkat(directory, own, 0);  // left by an earlier thread with this id
  const int fd = openat(directory, own, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kOpen);
  if (fd < 0) return false;
  int error = Complete(fd, place);
  if (error == 0 && linkat(directory, own, directory, name, 0) != 0) error = errno;
  unlinkat(directory, own, 0);
  close(fd);
  errno = error;
  return error == 0;
}

bool MakeBoard(int directory, const char* name, const BoardPlace& place) {
  if (!MayGrowTo(Board::Size(kSharedCapacity))) return false;
  bool without = false;
  if (MakeNamelessBoard(directory, name, place, &without)) return true;
  return without && MakeNamedBoard(directory, name, place);
}

}  // namespace

bool MakePages(void* begin, size_t size) noexcept {
  const auto page = static_cast<uintptr_t>(getpagesize());
  const uintptr_t first = reinterpret_cast<uintptr_t>(begin) / page * page;
  const uintptr_t last = reinterpret_cast<uintptr_t>(begin) + size;
  // Kernels before 5.14 do not know the advice (EINVAL). MakeBoard has made all pages there.
  return madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE) == 0 ||
         errno == EINVAL;
}

bool OpenSharedBoard(int directory, uid_t uid, const BoardPlace& place, bool create, Board* board,
                     char (&problem)[256], BoardFile* file) noexcept {
  const HostStateKeeper keeper;
  char name[kBoardNameSize];
  NameBoard(kBoardVersion, place, name);
  int fd = -1;
  for (int turn = 0; turn < 3 && fd < 0; ++turn) {
    fd = OpenForWriting(directory, name, uid);
    if (fd >= 0 || errno != ENOENT || !create) break;
    if (!MakeBoard(directory, name, place) && errno != EEXIST) break;
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
    if (attached) KeepFromChildren(memory, static_cast<size_t>(status.st_size));
    if (file != nullptr) *file = {status.st_dev, status.st_ino};
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

void EmptyBoard(Board* board) noexcept {
  auto* begin = const_cast<BoardHeader*>(&board->header());
  PutZeros(begin, Board::Size(board->capacity()), MAP_FIXED);
}

}  // namespace pqleash::caps
