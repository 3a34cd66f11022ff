// SPDX-License-Identifier: Apache-2.0
//
// What a program does before main, and before the constructors of what is preloaded. glibc hands
// the arguments to the functions of .preinit_array and to constructors.

#include <dlfcn.h>
#include <pthread.h>

#include "tests/preload/hosts/host.h"

using namespace program;

extern "C" int ResolvedEarly();  // startup_library.cc

namespace {

void Preinit(int argc, char** argv, char** /*environment*/) {
  if (Mode(argc, argv, "preinit")) Work();
  if (Mode(argc, argv, "preinit_looks_up")) {
    Say("found: %d", dlsym(RTLD_DEFAULT, "PQfinish") != nullptr);
    Say("next: %d", dlsym(RTLD_NEXT, "PQfinish") != nullptr);
  }
  if (Mode(argc, argv, "preinit_environment")) Say("%s", getenv("HOST_MARK"));
  if (Mode(argc, argv, "preinit_exit")) _exit(5);
}
__attribute__((section(".preinit_array"), used)) void (*const preinit)(int, char**,
                                                                       char**) = Preinit;

__attribute__((constructor(101))) void Construct(int argc, char** argv) {
  if (Mode(argc, argv, "constructor")) Work();
  if (Mode(argc, argv, "constructor_opens")) {
    void* handle = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    Say("opened: %d, found: %d", handle != nullptr, dlsym(handle, "PQexec") != nullptr);
  }
  if (Mode(argc, argv, "constructor_thread")) {
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          Work();
          return nullptr;
        },
        nullptr);
    pthread_join(thread, nullptr);
  }
  if (Mode(argc, argv, "constructor_fork")) {
    const pid_t child = fork();
    if (child == 0) {
      Work();
      _exit(2);
    }
    Reap(child);
  }
  if (Mode(argc, argv, "constructor_exit")) exit(6);
}

__attribute__((destructor)) void Destruct() {
  const char* mark = getenv("HOST_MARK");
  if (mark != nullptr && strcmp(mark, "destructor") == 0) Work();
}

int Nothing() {
  Work();
  return 0;
}

int Resolved() {
  Say("resolver: %d", ResolvedEarly());
  Work();
  return 0;
}

constexpr HostMode kModes[] = {
    {"preinit", Nothing},
    {"preinit_looks_up", Nothing},
    {"preinit_environment", Nothing},
    {"preinit_exit", Nothing},
    {"constructor", Nothing},
    {"constructor_opens", Nothing},
    {"constructor_thread", Nothing},
    {"constructor_fork", Nothing},
    {"constructor_exit", Nothing},
    {"destructor", Nothing},
    {"resolver", Resolved},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
