// SPDX-License-Identifier: Apache-2.0
//
// A host that defines dlsym, dlopen and exit itself, and passes on.

#include <dlfcn.h>

#include "tests/preload/hosts/host.h"

#define REPLACED extern "C" __attribute__((visibility("default")))

namespace {

int looked_up = 0;
int opened = 0;

template <typename Function>
Function Real(const char* name) {
  void* found = dlvsym(RTLD_NEXT, name, "GLIBC_2.2.5");
  if (found == nullptr) __builtin_trap();
  return reinterpret_cast<Function>(found);
}

}  // namespace

REPLACED void* dlsym(void* handle, const char* name) {
  ++looked_up;
  return Real<void* (*)(void*, const char*)>("dlsym")(handle, name);
}
REPLACED void* dlopen(const char* path, int flags) {
  ++opened;
  return Real<void* (*)(const char*, int)>("dlopen")(path, flags);
}
REPLACED void exit(int code) {
  program::Say("the host's exit");
  Real<void (*)(int)>("exit")(code);
  __builtin_unreachable();
}
REPLACED void _exit(int code) {
  program::Say("the host's _exit");
  Real<void (*)(int)>("_exit")(code);
  __builtin_unreachable();
}

using namespace program;

namespace {

int Own() {
  Say("found: %d", dlsym(RTLD_DEFAULT, "PQfinish") != nullptr);
  void* handle = dlopen("libpq.so.5", RTLD_NOW);
  Say("by handle: %d", dlsym(handle, "PQfinish") != nullptr);
  Say("looked up: %d, opened: %d", looked_up, opened);
  Work();
  return 0;
}

int BeforeMain() {
  Say("looked up: %d, opened: %d", looked_up, opened);
  return 0;
}

int ByHandle() {
  void* handle = dlopen("libpq.so.5", RTLD_NOW);
  auto* connect = reinterpret_cast<PGconn* (*)(const char*)>(dlsym(handle, "PQconnectdb"));
  PGconn* conn = connect("");
  Query(conn, "SELECT 1");
  Finish(conn);
  return 0;
}

int Exit() {
  Connect();
  exit(3);
}

int ImmediateExit() {
  Connect();
  _exit(4);
}

constexpr HostMode kModes[] = {
    {"own", Own},   {"before_main", BeforeMain}, {"by_handle", ByHandle},
    {"exit", Exit}, {"_exit", ImmediateExit},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
