// SPDX-License-Identifier: Apache-2.0
//
// Programs that have functions of libc and of the dynamic linker themselves, and find the real ones
// by dlsym at the first call: Seastar, ClickHouse and userver dl_iterate_phdr, FoundationDB its
// kin, others strcmp, getenv or an allocator. At the first call means: before main, by whoever is
// first. This one answers 'not yet' with abort(), once: a call in the middle of its own look-up.

#include <dlfcn.h>
#include <link.h>

#include <stdexcept>

#include "tests/preload/programs/program.h"

using namespace program;

namespace {

bool looking_up = false;

template <typename Function>
Function Real(const char* name, Function* known) {
  if (*known == nullptr) {
    if (looking_up) abort();
    looking_up = true;
    *known = reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
    looking_up = false;
  }
  return *known;
}

}  // namespace

#define OWN extern "C" __attribute__((visibility("default")))

OWN int dl_iterate_phdr(int (*visit)(dl_phdr_info*, size_t, void*), void* data) {
  static decltype(&dl_iterate_phdr) real = nullptr;
  return Real("dl_iterate_phdr", &real)(visit, data);
}
OWN int strcmp(const char* a, const char* b) noexcept {
  static int (*real)(const char*, const char*) = nullptr;
  return Real("strcmp", &real)(a, b);
}
OWN int strncmp(const char* a, const char* b, size_t size) noexcept {
  static int (*real)(const char*, const char*, size_t) = nullptr;
  return Real("strncmp", &real)(a, b, size);
}
OWN size_t strlen(const char* text) noexcept {
  static size_t (*real)(const char*) = nullptr;
  return Real("strlen", &real)(text);
}
OWN char* getenv(const char* name) noexcept {
  static char* (*real)(const char*) = nullptr;
  return Real("getenv", &real)(name);
}

int main() {
  try {
    throw std::runtime_error("through the program's own dl_iterate_phdr");
  } catch (const std::exception& exception) {
    Say("caught: %s", exception.what());
  }
  PGconn* conn = Connect();
  Query(conn, "SELECT 1");
  Finish(conn);
  SayDescriptors();
}
