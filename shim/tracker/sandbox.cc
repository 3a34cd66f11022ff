// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/sandbox.h"

#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <unistd.h>

#include "shim/support/elf_imports.h"
#include "shim/support/filters.h"

// Bound by the linker where the program starts with a libpq; else null.
extern "C" int PQlibVersion() __attribute__((weak));

namespace pqleash::tracker {

namespace {

// What a filter is made with: prctl(2), seccomp(2) by way of syscall(2), seccomp_load(3).
constexpr const char* kFilterMakers[] = {"prctl", "syscall", "seccomp_load", nullptr};
// A sanitizer's runtime may not have begun when our constructor runs, and calls of libc's functions
// go through it.
constexpr const char* kRuntimes[] = {"__asan_init",   "__tsan_init", "__msan_init",
                                     "__hwasan_init", "__lsan_init", nullptr};

// A program that has its own of these may lean on what it has not set up before main.
constexpr const char* kReplaced[] = {"dlsym", "dl_iterate_phdr",    "open",   "openat", "read",
                                     "mmap",  "pthread_mutex_lock", "getenv", "memcpy", "strlen",
                                     nullptr};

constinit bool makes_filters = false;  // the executable may
constinit bool prepares = false;       // and everything is made ready for it
constinit Filters at_start = {};

// The vector that the kernel put behind the environment; nullptr: `environment` is not the one that
// the process was started with, since it does not follow the arguments.
const ElfW(auxv_t) * FindAuxiliaryVector(int argc, char** argv, char** environment) {
  if (argc < 1 || environment != argv + argc + 1 || argv[argc] != nullptr) return nullptr;
  while (*environment != nullptr) ++environment;
  return reinterpret_cast<const ElfW(auxv_t)*>(environment + 1);
}

}  // namespace

bool LookForFilterMakers(int argc, char** argv, char** environment) {
  const ElfW(auxv_t)* entry = FindAuxiliaryVector(argc, argv, environment);
  if (entry == nullptr) return false;
  const ElfW(Phdr)* headers = nullptr;
  size_t count = 0;
  for (; entry->a_type != AT_NULL; ++entry) {
    if (entry->a_type == AT_PHDR) headers = reinterpret_cast<const ElfW(Phdr)*>(entry->a_un.a_val);
    if (entry->a_type == AT_PHNUM) count = entry->a_un.a_val;
    if (entry->a_type == AT_SECURE && entry->a_un.a_val != 0) return false;
  }
  if (headers == nullptr || !ImportsOneOf(headers, count, kFilterMakers)) return false;
  if (ImportsOneOf(headers, count, kRuntimes) || ExportsOneOf(headers, count, kReplaced))
    return false;
  makes_filters = true;
  prepares = PQlibVersion != nullptr;
  // open, read and close are what the dynamic linker has just loaded us with.
  at_start = FiltersOfThread();
  return prepares;
}

bool FilterExpected() { return prepares; }

bool FilterCame() {
  if (!makes_filters) return false;
  const Filters now = FiltersOfThread();
  return now.mode > at_start.mode || now.count > at_start.count;
}

int32_t ThreadId() {
  if (!prepares) return gettid();
  // glibc keeps the thread's number, and notes it in a mutex as its owner: no system call.
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  if (pthread_mutex_lock(&mutex) != 0) return 0;
  const int32_t owner = mutex.__data.__owner;
  pthread_mutex_unlock(&mutex);
  return owner;
}

}  // namespace pqleash::tracker
