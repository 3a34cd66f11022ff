// SPDX-License-Identifier: Apache-2.0
//
// Hosts that arrange their memory themselves, or count what is in it.

#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

constexpr size_t kPage = 4096;

// Lines of /proc/self/maps with these permissions.
int Mappings(const char* permissions) {
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == nullptr) return -1;
  char line[512];
  int count = 0;
  while (fgets(line, sizeof(line), maps) != nullptr) count += strstr(line, permissions) != nullptr;
  fclose(maps);
  return count;
}

int LockAll(int flags) {
  Say("locked: %d", mlockall(flags));
  Work();
  Say("unlocked: %d", munlockall());
  return 0;
}

// Runtimes with 32-bit pointers, LuaJIT, Wine.
int LowAddresses() {
  void* wanted = reinterpret_cast<void*>(0x10000000);
  Work();
  void* low = mmap(wanted, 64 * kPage, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  Say("at the wanted address: %d", low == wanted);
  int got = 0;
  for (int i = 0; i < 64; ++i) {
    void* block = mmap(nullptr, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    got += block != MAP_FAILED;
  }
  Say("in the low 2 GiB: %d", got);
  return 0;
}

// Huge reservations: address sanitizers, Go, Haskell, the JVM.
int Reservations() {
  void* shadow = mmap(reinterpret_cast<void*>(0x10007fff8000), size_t{1} << 42, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  Say("reserved: %d", shadow != MAP_FAILED);
  Work();
  Say("given back: %d", munmap(shadow, size_t{1} << 42));
  return 0;
}

int BreakGrows() {
  free(malloc(1000));
  Work();
  char* before = static_cast<char*>(sbrk(0));
  char* block = static_cast<char*>(sbrk(kPage));
  Say("contiguous: %d", before == block && sbrk(0) == block + kPage);
  block[kPage - 1] = 1;
  Work();
  return block[kPage - 1] == 1 ? 0 : 1;
}

int NoExecutableMemory() {
  constexpr int kSetMdwe = 65;
  Say("denied: %d", prctl(kSetMdwe, 1UL, 0UL, 0UL, 0UL) == 0 || errno == EINVAL);
  Work();
  Say("writable and executable: %d", Mappings(" rwx"));
  return 0;
}

int ProtectionKeys() {
  const int key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
  Work();
  if (key >= 0) Say("freed: %d", pkey_free(key));
  Say("done");
  return 0;
}

// Every second page of another kind, until the kernel takes no more.
int NoMoreMappings() {
  Connect();  // what the process needs for itself is there
  int made = 0;
  for (int i = 0; i < 70'000; ++i) {
    const int protection = i % 2 == 0 ? PROT_READ : PROT_NONE;
    made += mmap(nullptr, kPage, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
  }
  Say("ran out: %d", made < 70'000);
  PGconn* conn = PQconnectdb("");
  Say("connected: %s", PQstatus(conn) == CONNECTION_OK ? "yes" : "no");
  PQfinish(conn);
  return 0;
}

// The first connect, when there is nothing left to map.
int NoMappingsAtFirst() {
  void* volatile block = malloc(1);  // there is a heap in any case
  free(block);
  for (int i = 0; i < 70'000; ++i) {
    mmap(nullptr, kPage, i % 2 == 0 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  Work();
  return 0;
}

int QueriesAllocateNothing() {
  PGconn* conn = Connect();
  PQclear(PQexec(conn, "SELECT 1"));
  const size_t before = mallinfo2().uordblks;
  for (int i = 0; i < 1000; ++i) PQclear(PQexec(conn, "SELECT 1"));
  Say("more bytes: %ld", static_cast<long>(mallinfo2().uordblks - before));
  PQfinish(conn);
  return 0;
}

int HeapIsTrimmed() {
  mallopt(M_TRIM_THRESHOLD, 0);
  mallopt(M_MMAP_THRESHOLD, 1024);
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_PERTURB, 0xa5);
  Work();
  malloc_trim(0);
  Work();
  return 0;
}

// A child without what the parent kept for itself.
int DontFork() {
  void* secret = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Say("kept: %d", madvise(secret, kPage, MADV_DONTFORK));
  Connect();
  const pid_t child = fork();
  if (child == 0) {
    Work();
    _exit(3);
  }
  Reap(child);
  return 0;
}

int HugePages() {
  Say("off: %d", prctl(PR_SET_THP_DISABLE, 1UL, 0UL, 0UL, 0UL));
  void* block = mmap(nullptr, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(block, 4 << 20, MADV_HUGEPAGE);
  Work();
  return 0;
}

// A file of the host that is mapped keeps its place, whatever else is mapped beside it.
int OwnMappingStays() {
  char* first = static_cast<char*>(
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  strcpy(first, "mine");
  munmap(first, kPage);
  Connect();
  char* again = static_cast<char*>(mmap(first, kPage, PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
  Say("%s", again == first || (again == MAP_FAILED && errno == EEXIST) ? "as asked" : "elsewhere");
  Work();
  return 0;
}

int AnonymousExecutables() {
  Work();
  Say("writable and executable: %d", Mappings(" rwx"));
  Say("deleted: %d", Mappings("(deleted)"));
  return 0;
}

constexpr HostMode kModes[] = {
    {"lock_all", [] { return LockAll(MCL_CURRENT | MCL_FUTURE); }},
    {"lock_on_fault", [] { return LockAll(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT); }},
    {"low_addresses", LowAddresses},
    {"reservations", Reservations},
    {"break_grows", BreakGrows},
    {"no_executable_memory", NoExecutableMemory},
    {"protection_keys", ProtectionKeys},
    {"no_more_mappings", NoMoreMappings},
    {"no_mappings_at_first", NoMappingsAtFirst},
    {"queries_allocate_nothing", QueriesAllocateNothing},
    {"heap_is_trimmed", HeapIsTrimmed},
    {"dont_fork", DontFork},
    {"huge_pages", HugePages},
    {"own_mapping_stays", OwnMappingStays},
    {"anonymous_executables", AnonymousExecutables},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
