// SPDX-License-Identifier: Apache-2.0
//
// A host that has a function of its own for every one that the library takes from elsewhere
// (traps.S), each of which asks dlsym for the real one, as sanitizers and programs like Seastar do
// for some. A call of the library before main has begun ends the program; each later one is written
// to stderr, once: 'function moment'.
//
// Usage: host disabled|observed
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <libpq-fe.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

static const char* const names[] = {
#define NAME(name, index) #name,
#include "traps.inc"
#undef NAME
};
enum { kNames = sizeof(names) / sizeof(names[0]) };

enum Moment { kStartUp, kLookUp, kConnect, kQuery, kClose, kExit, kMoments };
static const char* const moments[] = {"start-up", "look-up", "connect", "query", "close", "exit"};

static enum Moment moment = kStartUp;
static void* real[kNames];
static char seen[kNames][kMoments];
static uintptr_t library_begin;
static uintptr_t library_end;

static long Call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c)
                   : "rcx", "r11", "memory");
  return result;
}

static void Say(const char* text) {
  long size = 0;
  while (text[size] != '\0') ++size;
  Call(SYS_write, 2, (long)text, size);
}

static void Report(int index) {
  Say(names[index]);
  Say(" ");
  Say(moments[moment]);
  Say("\n");
}

__attribute__((used)) void* EnterTrap(uintptr_t caller, int index) {
  if (caller >= library_begin && caller < library_end && !seen[index][moment]) {
    seen[index][moment] = 1;
    Report(index);
    if (moment == kStartUp) Call(SYS_exit_group, 97, 0, 0);
  }
  if (real[index] == NULL) real[index] = dlsym(RTLD_NEXT, names[index]);
  if (real[index] == NULL) {
    Say(names[index]);
    Say(" is nowhere\n");
    Call(SYS_exit_group, 98, 0, 0);
  }
  return real[index];
}

static int EndsWith(const char* text, const char* end) {
  size_t a = 0;
  size_t b = 0;
  while (text[a] != '\0') ++a;
  while (end[b] != '\0') ++b;
  if (a < b) return 0;
  for (size_t i = 0; i < b; ++i) {
    if (text[a - b + i] != end[i]) return 0;
  }
  return 1;
}

static void FindLibrary(void) {
  for (const struct link_map* map = _r_debug.r_map; map != NULL; map = map->l_next) {
    if (!EndsWith(map->l_name, "/libpqleash.so")) continue;
    const ElfW(Ehdr)* header = (const ElfW(Ehdr)*)map->l_addr;
    const ElfW(Phdr)* segment = (const ElfW(Phdr)*)(map->l_addr + header->e_phoff);
    library_begin = map->l_addr;
    for (int i = 0; i < header->e_phnum; ++i) {
      const uintptr_t end = map->l_addr + segment[i].p_vaddr + segment[i].p_memsz;
      if (segment[i].p_type == PT_LOAD && end > library_end) library_end = end;
    }
  }
}

// What hosts look up before they have started: names of anybody, and libpq's where our wrappers
// stand already.
static void LookAround(void) {
  void* self = dlopen(NULL, RTLD_LAZY);
  if (dlsym(RTLD_NEXT, "malloc") == NULL || dlsym(RTLD_DEFAULT, "strlen") == NULL ||
      dlsym(self, "main") == NULL || dlvsym(RTLD_NEXT, "free", "GLIBC_2.2.5") == NULL ||
      dlsym(RTLD_DEFAULT, "PQconnectdb") == NULL || dlsym(RTLD_NEXT, "PQexec") == NULL ||
      dlsym(RTLD_DEFAULT, "PQ_nobody_has_this") != NULL) {
    Say("a look-up went wrong\n");
    Call(SYS_exit_group, 99, 0, 0);
  }
}

// Before any library's constructor, and before libc has begun.
static void VeryEarly(void) {
  FindLibrary();
  // A look-up that fails leaves dlsym something to free at the next.
  for (int i = 0; i < kNames; ++i) real[i] = dlsym(RTLD_NEXT, names[i]);
  LookAround();
  dlerror();
}
__attribute__((section(".preinit_array"), used)) static void (*const very_early)(void) = VeryEarly;

__attribute__((constructor)) static void Early(void) { LookAround(); }

int main(int argc, char** argv) {
  const int observed = argc > 1 && strcmp(argv[1], "observed") == 0;
  if (observed && library_end == 0) return 3;
  moment = kLookUp;
  void* libpq = dlopen("libpq.so.5", RTLD_LAZY | RTLD_NOLOAD);
  PGconn* (*connect)(const char*) = (PGconn * (*)(const char*)) dlsym(libpq, "PQconnectdb");
  moment = kConnect;
  PGconn* looked_up = connect("");
  PGconn* conn = PQconnectdb("");
  if (PQstatus(conn) != CONNECTION_OK) return 4;
  // The second time: what is found once has been found.
  PQfinish(PQconnectdb(""));
  moment = kQuery;
  for (int i = 0; i < 3; ++i) PQclear(PQexec(conn, "SELECT 1"));
  if (PQstatus(conn) != CONNECTION_OK || PQsocket(conn) < -1) return 5;
  moment = kClose;
  PQfinish(conn);
  PQfinish(looked_up);
  moment = kExit;
  return 0;
}
