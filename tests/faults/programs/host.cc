// SPDX-License-Identifier: Apache-2.0
//
// host FAULT WORK, or host FAULT exec PROGRAM …: takes something away from itself, then works with
// libpq and prints what it saw. What has to be mounted is mounted in a namespace of its own, over
// the directory of FAULTS_DIRECTORY. Exit code 77: this system does not allow it; why is on stdout.

#include <fcntl.h>
#include <libpq-fe.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/faults/programs/nth.h"
#include "tests/faults/programs/system_calls.h"
#include "tests/faults/programs/work.h"

namespace {

using faults::Seen;

const char* Directory() {
  const char* directory = getenv("FAULTS_DIRECTORY");
  return directory != nullptr ? directory : "/nonexistent";
}

[[noreturn]] void NotAllowed(const char* what) {
  printf("%s: %s\n", what, strerror(errno));
  exit(77);
}

// For root, or with a user namespace of its own.
void EnterMountNamespace() {
  const uid_t uid = geteuid();
  const int flags = CLONE_NEWNS | (uid != 0 ? CLONE_NEWUSER : 0);
  if (unshare(flags) != 0) NotAllowed("no namespace of its own");
  if (uid != 0) {
    const std::string map = std::to_string(uid) + " " + std::to_string(uid) + " 1";
    const int fd = open("/proc/self/uid_map", O_WRONLY);
    if (write(fd, map.data(), map.size()) < 0) NotAllowed("no mapping of users");
    close(fd);
  }
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    NotAllowed("mounts stay shared");
}

void MountSmall(const char* place, const char* size) {
  EnterMountNamespace();
  const std::string options = std::string("mode=0700,size=") + size;
  if (mount("tmpfs", place, "tmpfs", 0, options.c_str()) != 0) NotAllowed("no tmpfs");
}

void Fill() {
  const std::string path = std::string(Directory()) + "/filling";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  static const char kPage[4096] = {'f'};
  while (write(fd, kPage, sizeof(kPage)) > 0) {
  }
  close(fd);
}

void Limit(__rlimit_resource resource, rlim_t value) {
  const rlimit limit = {value, value};
  if (setrlimit(resource, &limit) != 0) NotAllowed("no such limit");
}

rlim_t AddressSpace() {
  unsigned long pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == nullptr || fscanf(file, "%lu", &pages) != 1) NotAllowed("no statm");
  fclose(file);
  return rlim_t{pages} * 4096;
}

// The number behind the colon.
rlim_t Number(const char* fault) {
  const char* colon = strchr(fault, ':');
  return colon != nullptr ? strtoull(colon + 1, nullptr, 10) : 0;
}

void TakeDescriptors() {
  Limit(RLIMIT_NOFILE, 64);
  while (open("/dev/null", O_RDONLY) >= 0) {
  }
}

void ChangeRoot() {
  EnterMountNamespace();
  if (chroot(Directory()) != 0 || chdir("/") != 0) NotAllowed("no chroot");
}

// What happens between the first connect and the rest of the work.
void (*later)() = nullptr;

void Suffer(const char* fault, char** argv) {
  const auto is = [&](const char* name) { return strncmp(fault, name, strlen(name)) == 0; };
  if (is("descriptors-later")) {
    later = TakeDescriptors;
  } else if (is("descriptors")) {
    TakeDescriptors();
  } else if (is("memory:")) {
    faults::WarmHeap();  // the host's own memory is there
    Limit(RLIMIT_AS, AddressSpace() + Number(fault) * 1024);
  } else if (is("file-size:")) {
    Limit(RLIMIT_FSIZE, Number(fault));
  } else if (is("stack:")) {
    if (getenv("FAULTS_AGAIN") != nullptr) return;
    Limit(RLIMIT_STACK, Number(fault) * 1024);
    setenv("FAULTS_AGAIN", "1", 1);
    execv("/proc/self/exe", argv);
    NotAllowed("not executed again");
  } else if (is("full-later")) {
    MountSmall(Directory(), "4m");
    later = Fill;
  } else if (is("full")) {
    MountSmall(Directory(), "64k");
    Fill();
  } else if (is("read-only")) {
    EnterMountNamespace();
    if (mount(Directory(), Directory(), nullptr, MS_BIND, nullptr) != 0 ||
        mount(nullptr, Directory(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0)
      NotAllowed("no mount that is read-only");
  } else if (is("no-proc")) {
    MountSmall("/proc", "4k");
  } else if (is("no-shm")) {
    EnterMountNamespace();
    if (mount("tmpfs", "/dev/shm", "tmpfs", MS_RDONLY, "mode=0755") != 0) NotAllowed("no tmpfs");
  } else if (is("root")) {
    ChangeRoot();
  } else if (is("forbidden")) {
    // Root may everything; nobody may not even come near.
    constexpr uid_t kNobody = 65'534;
    if (geteuid() == 0 ? setgid(kNobody) != 0 || setuid(kNobody) != 0 : chmod(Directory(), 0) != 0)
      NotAllowed("nothing can be forbidden");
  } else if (is("blind")) {
    static constexpr int kCalls[] = {SYS_pidfd_open, SYS_kill, SYS_poll, SYS_ppoll};
    if (!faults::Deny(kCalls, ENOSYS)) NotAllowed("no filter of system calls");
  } else if (is("removed-later")) {
    later = [] {
      const std::string command = std::string("rm -rf ") + Directory();
      if (system(command.c_str()) != 0) NotAllowed("not removed");  // NOLINT: ours
    };
  }
}

void Work(const char* work, Seen* seen) {
  if (strcmp(work, "many") == 0) {
    faults::WorkMany(1'000, seen);
  } else if (strcmp(work, "threads") == 0) {
    faults::WorkInThreads(4, seen);
  } else {
    faults::WorkOnce(seen);
  }
}

void Print(const char* who, const Seen& seen) {
  printf("%s: %s, descriptors %+d, mask %u\n", who, seen.calls, seen.descriptors,
         seen.mask_changed);
  fflush(stdout);
}

void WorkInChildren(Seen* seen) {
  faults::WorkOnce(seen);
  for (int i = 0; i < 3; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      Seen own = {};
      const faults::Surroundings surroundings;
      faults::WorkOnce(&own);
      surroundings.Compare(&own);
      Print("child", own);
      exit(4);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    printf("child ended: %d\n", status);
  }
}

// Keeps a connection until stdin ends.
int Hold() {
  PGconn* conn = PQconnectdb("");
  printf("%s\n", PQstatus(conn) == CONNECTION_OK ? "connected" : "refused");
  fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  PQfinish(conn);
  return 5;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  Suffer(argv[1], argv);
  if (strcmp(argv[2], "exec") == 0) {
    execvp(argv[3], argv + 3);
    return 127;
  }
  if (strcmp(argv[2], "hold") == 0) return Hold();
  Seen seen = {};
  if (later != nullptr) {
    faults::WorkOnce(&seen);
    later();
  }
  const faults::Surroundings surroundings;
  if (strcmp(argv[2], "children") == 0) {
    WorkInChildren(&seen);
  } else {
    Work(argv[2], &seen);
  }
  surroundings.Compare(&seen);
  Print("host", seen);
  return 5;
}
