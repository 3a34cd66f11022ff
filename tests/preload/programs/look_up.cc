// SPDX-License-Identifier: Apache-2.0
//
// Finds libpq's functions by name, as ctypes, LuaJIT and Free Pascal do. Not linked to libpq.
//   handle    through a handle of libpq
//   default   through RTLD_DEFAULT, with libpq in the global scope

#include <dlfcn.h>

#include "tests/preload/programs/program.h"

using namespace program;

int main(int argc, char** argv) {
  void* library =
      dlopen("libpq.so.5", RTLD_NOW | (Mode(argc, argv, "default") ? RTLD_GLOBAL : RTLD_LOCAL));
  if (library == nullptr) return 1;
  void* const scope = Mode(argc, argv, "default") ? RTLD_DEFAULT : library;
  const auto connect = reinterpret_cast<PGconn* (*)(const char*)>(dlsym(scope, "PQconnectdb"));
  const auto status = reinterpret_cast<ConnStatusType (*)(const PGconn*)>(dlsym(scope, "PQstatus"));
  const auto finish = reinterpret_cast<void (*)(PGconn*)>(dlsym(scope, "PQfinish"));
  Say("found: %d", connect != nullptr && status != nullptr && finish != nullptr);
  Say("no such function: %d", dlsym(scope, "PQnosuchfunction") == nullptr);
  Say("%s", dlerror() != nullptr ? "an error is set" : "no error is set");
  PGconn* conn = connect("");
  Say("connected: %d", status(conn) == CONNECTION_OK);
  finish(conn);
  SayDescriptors();
}
