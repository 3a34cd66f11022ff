// SPDX-License-Identifier: Apache-2.0
//
// A host that defines functions of libc itself, as sanitizers, Seastar and emulators do. What is
// called before main, or from a place where libc itself calls nothing, comes too early for it.

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/preload/hosts/host.h"

// Loops stay loops: gcc makes calls of the replaced functions of them.
#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

namespace {

volatile bool counting = true;  // until main begins
volatile int calls = 0;
const char* volatile last = "none";
volatile bool refusing = false;  // files and clocks answer ENOSYS
volatile int lists = 0;

void Count(const char* name) {
  if (!counting) return;
  calls = calls + 1;
  last = name;
}

int Refuse() {
  errno = ENOSYS;
  return -1;
}

}  // namespace

#define REPLACED extern "C" __attribute__((visibility("default")))

REPLACED int strcmp(const char* a, const char* b) {
  Count("strcmp");
  while (*a != '\0' && *a == *b) ++a, ++b;
  return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}
REPLACED int strncmp(const char* a, const char* b, size_t size) {
  Count("strncmp");
  for (; size > 0 && *a != '\0' && *a == *b; --size) ++a, ++b;
  return size == 0 ? 0 : static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}
REPLACED size_t strlen(const char* text) {
  Count("strlen");
  size_t size = 0;
  while (text[size] != '\0') ++size;
  return size;
}
REPLACED void* memcpy(void* to, const void* from, size_t size) {
  Count("memcpy");
  for (size_t i = 0; i < size; ++i) static_cast<char*>(to)[i] = static_cast<const char*>(from)[i];
  return to;
}
REPLACED void* memset(void* to, int value, size_t size) {
  Count("memset");
  for (size_t i = 0; i < size; ++i) static_cast<char*>(to)[i] = static_cast<char>(value);
  return to;
}
REPLACED void* memmove(void* to, const void* from, size_t size) {
  Count("memmove");
  char* target = static_cast<char*>(to);
  const char* source = static_cast<const char*>(from);
  if (target < source) {
    for (size_t i = 0; i < size; ++i) target[i] = source[i];
  } else {
    for (size_t i = size; i > 0; --i) target[i - 1] = source[i - 1];
  }
  return to;
}
REPLACED int memcmp(const void* a, const void* b, size_t size) {
  Count("memcmp");
  const auto* left = static_cast<const unsigned char*>(a);
  const auto* right = static_cast<const unsigned char*>(b);
  for (size_t i = 0; i < size; ++i) {
    if (left[i] != right[i]) return left[i] - right[i];
  }
  return 0;
}
REPLACED char* getenv(const char* name) {
  Count("getenv");
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    size_t i = 0;
    while (name[i] != '\0' && (*entry)[i] == name[i]) ++i;
    if (name[i] == '\0' && (*entry)[i] == '=') return *entry + i + 1;
  }
  return nullptr;
}
REPLACED int open(const char* path, int flags, ...) {
  Count("open");
  if (refusing) return Refuse();
  va_list arguments;
  va_start(arguments, flags);
  const int mode = va_arg(arguments, int);
  va_end(arguments);
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
REPLACED int openat(int directory, const char* path, int flags, ...) {
  Count("openat");
  if (refusing) return Refuse();
  va_list arguments;
  va_start(arguments, flags);
  const int mode = va_arg(arguments, int);
  va_end(arguments);
  return static_cast<int>(syscall(SYS_openat, directory, path, flags, mode));
}
REPLACED ssize_t read(int fd, void* to, size_t size) {
  Count("read");
  return refusing ? Refuse() : syscall(SYS_read, fd, to, size);
}
REPLACED ssize_t write(int fd, const void* from, size_t size) {
  Count("write");
  return syscall(SYS_write, fd, from, size);
}
REPLACED int close(int fd) {
  Count("close");
  return static_cast<int>(syscall(SYS_close, fd));
}
REPLACED void* mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) {
  Count("mmap");
  if (refusing) {
    errno = ENOSYS;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, size, protection, flags, fd, offset));
}
REPLACED int clock_gettime(clockid_t clock, timespec* time) {
  Count("clock_gettime");
  return refusing ? Refuse() : static_cast<int>(syscall(SYS_clock_gettime, clock, time));
}
REPLACED pid_t getpid() {
  Count("getpid");
  return static_cast<pid_t>(syscall(SYS_getpid));
}
REPLACED uid_t geteuid() {
  Count("geteuid");
  return static_cast<uid_t>(syscall(SYS_geteuid));
}
REPLACED int sigaction(int number, const struct sigaction* action, struct sigaction* old) {
  Count("sigaction");
  using Real = int (*)(int, const struct sigaction*, struct sigaction*);
  static const Real real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "sigaction"));
  return real(number, action, old);
}
REPLACED int pthread_once(pthread_once_t* once, void (*run)()) {
  Count("pthread_once");
  if (*once == 0) {
    *once = 2;
    run();
  }
  return 0;
}
REPLACED int dl_iterate_phdr(int (*callback)(dl_phdr_info*, size_t, void*), void* data) {
  Count("dl_iterate_phdr");
  lists = lists + 1;
  using Real = int (*)(int (*)(dl_phdr_info*, size_t, void*), void*);
  static const Real real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "dl_iterate_phdr"));
  return real(callback, data);
}
REPLACED int dladdr(const void* address, Dl_info* info) {
  Count("dladdr");
  using Real = int (*)(const void*, Dl_info*);
  static const Real real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "dladdr"));
  return real(address, info);
}

using namespace program;

namespace {

int calls_before_main = 0;
const char* last_before_main = nullptr;

// What is called between begin and end, beside what this program calls itself.
template <typename Run>
int During(Run run) {
  calls = 0;
  last = "none";
  counting = true;
  run();
  counting = false;
  Say("calls: %d, the last one of %s", static_cast<int>(calls), last);
  return 0;
}

int BeforeMain() {
  Say("calls: %d, the last one of %s", calls_before_main, last_before_main);
  Work();
  return 0;
}

int DuringLookUps() {
  return During([] {
    for (const char* name : {"malloc", "PQconnectdb", "PQfinish", "NoSuchName", "strlen"}) {
      dlsym(RTLD_DEFAULT, name);
      dlsym(RTLD_NEXT, name);
    }
    dlerror();
  });
}

int DuringQueries() {
  PGconn* conn = Connect();
  PQclear(PQexec(conn, "SELECT 1"));
  During([conn] {
    for (int i = 0; i < 10; ++i) PQclear(PQexec(conn, "SELECT 1"));
    PQstatus(conn);
  });
  Finish(conn);
  return 0;
}

int Refusing() {
  refusing = true;
  Work();
  Work();
  refusing = false;
  Work();
  return 0;
}

int LooksUpInside() {
  const int before = lists;
  int objects = 0;
  dl_iterate_phdr(
      [](dl_phdr_info*, size_t, void* data) {
        ++*static_cast<int*>(data);
        return dlsym(RTLD_DEFAULT, "PQfinish") == nullptr ? 1 : 0;
      },
      &objects);
  Say("listed: %d, some: %d", lists - before, objects > 2);
  Work();
  return 0;
}

constexpr HostMode kModes[] = {
    {"before_main", BeforeMain},        {"during_look_ups", DuringLookUps},
    {"during_queries", DuringQueries},  {"refusing", Refusing},
    {"looks_up_inside", LooksUpInside},
};

}  // namespace

int main(int argc, char** argv) {
  counting = false;
  calls_before_main = calls;
  last_before_main = last;
  return RunMode(argc, argv, kModes);
}
