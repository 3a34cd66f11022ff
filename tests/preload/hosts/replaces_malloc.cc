// SPDX-License-Identifier: Apache-2.0
//
// A host with an allocator of its own: an arena that is never given back. It takes a lock, lists
// the loaded objects inside it as those do that record stacks, and is not ready before main.

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>

#include "tests/preload/hosts/host.h"

// Loops stay loops: gcc makes calls of the replaced functions of them.
#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

namespace {

volatile int calls = 0;
volatile size_t most = 0;
volatile bool looking_up = false;  // malloc calls dlsym
volatile bool listing = false;     // malloc calls dl_iterate_phdr, with its lock held
volatile bool failing = false;
bool inside = false;
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
alignas(64) char arena[32 << 20];
size_t used = 0;

void* Allocate(size_t size, size_t alignment = 16) {
  calls = calls + 1;
  if (size > most) most = size;
  if (failing) {
    errno = ENOMEM;
    return nullptr;
  }
  // glibc's dlsym may allocate in turn.
  const bool outermost = !inside && (looking_up || listing);
  if (outermost) {
    inside = true;
    pthread_mutex_lock(&lock);
    if (looking_up) dlsym(RTLD_NEXT, "malloc");
    if (listing) {
      dl_iterate_phdr([](dl_phdr_info*, size_t, void*) { return 0; }, nullptr);
    }
  }
  used = (used + alignment - 1) & ~(alignment - 1);
  char* block = used + size + 16 <= sizeof(arena) ? arena + used + 16 : nullptr;
  used += 16;
  if (block != nullptr) {
    block = arena + ((used + alignment - 1) & ~(alignment - 1));
    used = static_cast<size_t>(block - arena) + size;
    *reinterpret_cast<size_t*>(block - 8) = size;
  }
  if (outermost) {
    pthread_mutex_unlock(&lock);
    inside = false;
  }
  return block;
}

}  // namespace

#define REPLACED extern "C" __attribute__((visibility("default")))

REPLACED void* malloc(size_t size) { return Allocate(size); }
REPLACED void free(void* block) {
  const char* first = static_cast<char*>(block);
  if (block != nullptr && (first < arena || first >= arena + sizeof(arena))) __builtin_trap();
}
REPLACED void* calloc(size_t count, size_t size) { return Allocate(count * size); }
REPLACED void* aligned_alloc(size_t alignment, size_t size) { return Allocate(size, alignment); }
REPLACED void* memalign(size_t alignment, size_t size) { return Allocate(size, alignment); }
REPLACED int posix_memalign(void** block, size_t alignment, size_t size) {
  *block = Allocate(size, alignment);
  return *block == nullptr ? ENOMEM : 0;
}
REPLACED void* realloc(void* block, size_t size) {
  void* other = Allocate(size);
  if (block == nullptr || other == nullptr) return other;
  const size_t old = *reinterpret_cast<size_t*>(static_cast<char*>(block) - 8);
  for (size_t i = 0; i < size && i < old; ++i) {
    static_cast<char*>(other)[i] = static_cast<char*>(block)[i];
  }
  return other;
}

using namespace program;

namespace {

int calls_before_main = 0;

int BeforeMain() {
  Say("calls: %d", calls_before_main);
  Work();
  return 0;
}

int DuringLookUps() {
  dlsym(RTLD_DEFAULT, "PQfinish");
  const int before = calls;
  for (int i = 0; i < 50; ++i) {
    if (dlsym(RTLD_DEFAULT, "PQfinish") == nullptr) return 1;
    if (dlsym(RTLD_NEXT, "malloc") == nullptr) return 2;
  }
  Say("calls: %d", calls - before);
  return 0;
}

int DuringQueries() {
  PGconn* conn = Connect();
  PQclear(PQexec(conn, "SELECT 1"));
  const int before = calls;
  for (int i = 0; i < 50; ++i) PQclear(PQexec(conn, "SELECT 1"));
  Say("calls: %d", calls - before);
  Finish(conn);
  return 0;
}

int LooksUp() {
  looking_up = true;
  Work();
  Work();
  return 0;
}

int Lists() {
  listing = true;
  Work();
  dl_iterate_phdr(
      [](dl_phdr_info*, size_t, void*) {
        free(malloc(10));
        return 0;
      },
      nullptr);
  Work();
  return 0;
}

int Fails() {
  PGconn* conn = Connect();
  failing = true;
  Query(conn, "SELECT 1");
  Work();
  failing = false;
  Work();
  Finish(conn);
  return 0;
}

int FailsAtFirst() {
  failing = true;
  Work();
  failing = false;
  Work();
  return 0;
}

// libc's list of exit handlers grows by calloc, with the list's lock held.
int ExitHandlers() {
  Work();
  for (int i = 0; i < 200; ++i) atexit([] {});
  looking_up = true;
  for (int i = 0; i < 200; ++i) atexit([] {});
  Work();
  return 0;
}

constexpr HostMode kModes[] = {
    {"before_main", BeforeMain},
    {"during_look_ups", DuringLookUps},
    {"during_queries", DuringQueries},
    {"looks_up", LooksUp},
    {"lists", Lists},
    {"exit_handlers", ExitHandlers},
    {"fails", Fails},
    {"fails_at_first", FailsAtFirst},
};

}  // namespace

int main(int argc, char** argv) {
  calls_before_main = calls;
  return RunMode(argc, argv, kModes);
}
