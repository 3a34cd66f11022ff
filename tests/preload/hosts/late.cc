// SPDX-License-Identifier: Apache-2.0
//
// Hosts that open libraries late.

#include <dlfcn.h>
#include <pthread.h>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

void* OpenBeside(const char* name, int flags) {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 100);
  if (size < 0) return nullptr;
  path[size] = '\0';
  strcpy(strrchr(path, '/') + 1, name);
  void* handle = dlopen(path, flags);
  if (handle == nullptr) Say("%s", strchr(dlerror(), ':'));
  return handle;
}

int Touch(const char* name) {
  void* handle = OpenBeside(name, RTLD_NOW);
  if (handle == nullptr) return 1;
  auto* touch = reinterpret_cast<int (*)()>(dlsym(handle, "TouchRoom"));
  Say("touched: %d", touch());
  return 0;
}

int ThreadLocalRoom() {
  Connect();
  return Touch("tls_most.so");
}

int ThreadLocalRoomFirst() {
  const int code = Touch("tls_most.so");
  Work();
  return code;
}

int ThreadLocalByte() {
  Work();
  return Touch("tls_byte.so");
}

int OpensInThread() {
  Connect();
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        Touch("tls_byte.so");
        Work();
        return nullptr;
      },
      nullptr);
  pthread_join(thread, nullptr);
  return 0;
}

// A lazily bound call while the lock of the linker is held elsewhere.
int OpensWhileConnecting() {
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        for (int i = 0; i < 100; ++i) {
          void* handle = OpenBeside("tls_byte.so", RTLD_NOW);
          if (handle != nullptr) dlclose(handle);
        }
        return nullptr;
      },
      nullptr);
  for (int i = 0; i < 300; ++i) PQfinish(PQconnectdb(""));
  pthread_join(thread, nullptr);
  Work();
  return 0;
}

int OpensLibraryInCallback() {
  PGconn* conn = Connect();
  PQsetNoticeProcessor(
      conn, [](void*, const char*) { Touch("tls_byte.so"); }, nullptr);
  Query(conn, "DO $$ BEGIN RAISE NOTICE 'n'; END $$");
  Finish(conn);
  return 0;
}

int ConfigurationOfC() {
  for (const char* name : {"libm.so.6", "libresolv.so.2", "libnss_files.so.2", "libgcc_s.so.1"}) {
    Say("%s: %d", name, dlopen(name, RTLD_NOW | RTLD_GLOBAL) != nullptr);
  }
  Work();
  return 0;
}

constexpr HostMode kModes[] = {
    {"thread_local_room", ThreadLocalRoom},
    {"thread_local_room_first", ThreadLocalRoomFirst},
    {"thread_local_byte", ThreadLocalByte},
    {"in_thread", OpensInThread},
    {"while_connecting", OpensWhileConnecting},
    {"in_callback", OpensLibraryInCallback},
    {"global", ConfigurationOfC},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
