// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "shim/ledger/layout.h"
#include "shim/support/hash.h"
#include "shim/support/text.h"

namespace pqleash::ledger {

namespace {

constexpr uint32_t kMaxFiles = 16'384;
constexpr int kMaxImages = 1'000;  // of one process, by exec

struct DeadLedger {
  timespec modified;
  pid_t pid;
  char name[44];
};

// <pid>-<ticks>[.<n>].ledger
bool ParseName(const char* name, pid_t* pid) {
  const char* end = nullptr;
  const auto number = LeadingNumber<pid_t>(name, 10, &end);
  const char* suffix = strstr(end, kFileSuffix);
  if (number <= 0 || *end != '-') return false;
  if (suffix == nullptr || strcmp(suffix, kFileSuffix) != 0) return false;
  *pid = number;
  return true;
}

bool Dead(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

bool SameNamespace(int directory, const char* name, uint64_t pid_namespace) {
  const int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  uint64_t written = 0;
  const ssize_t size = pread(fd, &written, sizeof(written), offsetof(Header, pid_namespace));
  close(fd);
  return size == sizeof(written) && (written == pid_namespace || written == 0);
}

bool Older(const DeadLedger& a, const DeadLedger& b) {
  if (a.modified.tv_sec != b.modified.tv_sec) return a.modified.tv_sec < b.modified.tv_sec;
  return a.modified.tv_nsec < b.modified.tv_nsec;
}

uint32_t ListDead(DIR* stream, int directory, DeadLedger* dead) {
  uint32_t count = 0;
  for (uint32_t seen = 0; seen < kMaxFiles; ++seen) {
    const dirent* entry = readdir(stream);
    if (entry == nullptr) break;
    DeadLedger candidate = {};
    if (strlen(entry->d_name) >= sizeof(candidate.name) ||
        !ParseName(entry->d_name, &candidate.pid))
      continue;
    if (!Dead(candidate.pid)) continue;
    struct stat status;
    if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(status.st_mode))
      continue;
    candidate.modified = status.st_mtim;
    strcpy(candidate.name, entry->d_name);  // NOLINT: the length was checked
    dead[count++] = candidate;
  }
  return count;
}

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// A host's umask may take the owner's own rights away: `fd` would be closed to all later processes
// of the user. A raw call, since fakeroot and its kind replace fchmod.
void GiveOwner(int fd, mode_t rights) {
  struct stat status;
  if (fstat(fd, &status) != 0 || (status.st_mode & rights) == rights) return;
  syscall(SYS_fchmod, fd, rights);
}

// A directory that may not even be read. The name is not asked again: it could lead elsewhere.
int OpenShutDirectory(const char* path, uid_t uid) {
  const int found = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (found < 0) return -1;
  struct stat status;
  int fd = -1;
  if (fstat(found, &status) == 0 && status.st_uid == uid && (status.st_mode & 077) == 0) {
    char link[40];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", found);
    if (syscall(SYS_chmod, link, 0700) == 0) fd = openat(found, ".", kOpenDirectory);
  }
  const int error = errno;
  close(found);
  errno = error;
  return fd;
}

}  // namespace

int OpenDirectory(const char* path, uid_t uid, Problem* problem) {
  if (mkdir(path, 0700) != 0 && errno != EEXIST) {
    snprintf(problem->text, sizeof(problem->text), "cannot make the directory %s: %s", path,
             strerrordesc_np(errno));
    return -1;
  }
  int fd = open(path, kOpenDirectory);
  if (fd < 0 && errno == EACCES) fd = OpenShutDirectory(path, uid);
  if (fd < 0) {
    snprintf(problem->text, sizeof(problem->text), "cannot open the directory %s: %s", path,
             strerrordesc_np(errno));
    return -1;
  }
  struct stat status;
  if (fstat(fd, &status) != 0 || status.st_uid != uid || (status.st_mode & 077) != 0) {
    snprintf(problem->text, sizeof(problem->text),
             "the directory %s belongs to user %u and has mode %03o: expected user %u and mode "
             "700; remove it or set "
             "PQLEASH_DIR",
             path, status.st_uid, status.st_mode & 0777u, uid);
    close(fd);
    return -1;
  }
  GiveOwner(fd, 0700);
  return fd;
}

// Who creates a file may write it whatever its mode is (open(2)); nobody opens it for that by its
// name afterwards: `: > ledger` and `cp x ledger` would cut it short under the process that maps
// it.
constexpr mode_t kLedgerMode = 0400;

int CreateLedgerFile(int directory, pid_t pid, uint64_t start_ticks, char (&name)[64],
                     Problem* problem) {
  for (int image = 0; image < kMaxImages; ++image) {
    char suffix[8] = "";
    if (image > 0) snprintf(suffix, sizeof(suffix), ".%d", image);
    snprintf(name, sizeof(name), "%d-%" PRIu64 "%s%s", pid, start_ticks, suffix, kFileSuffix);
    const int fd =
        openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kLedgerMode);
    if (fd >= 0) {
      GiveOwner(fd, kLedgerMode);
      return fd;
    }
    if (errno != EEXIST) break;
  }
  snprintf(problem->text, sizeof(problem->text), "cannot create the ledger %s: %s", name,
           strerrordesc_np(errno));
  return -1;
}

bool TimeToSweep(int directory, uint64_t pid) {
  struct stat status;
  if (fstat(directory, &status) != 0) return true;
  // A tmpfs counts 20 bytes an entry (BOGO_DIRENT_SIZE, mm/shmem.c); elsewhere a name takes more.
  constexpr uint64_t kEntrySize = 20;
  const auto files = static_cast<uint64_t>(status.st_size) / kEntrySize;
  const uint64_t between = std::clamp<uint64_t>(files / kFilesSweptByAll, 1, kMostBetweenSweeps);
  return Mix(pid, 0) % between == 0;
}

void RemoveOldLedgers(int directory, uint32_t keep, uint64_t pid_namespace) {
  const int copy =
      openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // closedir closes it
  if (copy < 0) return;
  DIR* stream = fdopendir(copy);
  if (stream == nullptr) {
    close(copy);
    return;
  }
  constexpr size_t kSize = kMaxFiles * sizeof(DeadLedger);
  void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory != MAP_FAILED) {
    auto* dead = static_cast<DeadLedger*>(memory);
    const uint32_t count = ListDead(stream, directory, dead);
    if (count > keep) {
      std::sort(dead, dead + count, Older);
      for (uint32_t i = 0; i < count - keep; ++i) {
        if (SameNamespace(directory, dead[i].name, pid_namespace))
          unlinkat(directory, dead[i].name, 0);
      }
    }
    munmap(memory, kSize);
  }
  closedir(stream);
}

}  // namespace pqleash::ledger
