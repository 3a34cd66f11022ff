// SPDX-License-Identifier: Apache-2.0
//
// Hosts that talk to the dynamic linker: what it answers must be what it answers without us.

#include <dlfcn.h>
#include <link.h>

#include "tests/preload/hosts/host.h"

using namespace program;

namespace {

const char* Base(const char* path) {
  const char* slash = path == nullptr ? nullptr : strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

void* LibpqHandle() { return dlopen("libpq.so.5", RTLD_NOW | RTLD_NOLOAD); }

// Libraries that compare callbacks by their address.
int AddressesEqual() {
  void* own = reinterpret_cast<void*>(&PQfinish);
  Say("default: %d", dlsym(RTLD_DEFAULT, "PQfinish") == own);
  Say("null: %d", dlsym(nullptr, "PQfinish") == own);
  Say("program: %d", dlsym(dlopen(nullptr, RTLD_NOW), "PQfinish") == own);
  void* handle = LibpqHandle();
  Say("twice: %d", dlsym(handle, "PQfinish") == dlsym(handle, "PQfinish"));
  return 0;
}

int AddressEqualByHandle() {
  Say("handle: %d", dlsym(LibpqHandle(), "PQfinish") == reinterpret_cast<void*>(&PQfinish));
  return 0;
}

int VersionedNames() {
  for (const char* version : {"RHPG_9.6", "LIBPQ_5", "GLIBC_2.2.5"}) {
    Say("PQfinish@%s: %d", version, dlvsym(RTLD_DEFAULT, "PQfinish", version) != nullptr);
  }
  Say("dlsym@GLIBC_2.2.5: %d", dlvsym(RTLD_DEFAULT, "dlsym", "GLIBC_2.2.5") != nullptr);
  Say("memcpy: %d", dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.14") !=
                        dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.2.5"));
  // glibc 2.36 dereferences a null pointer where the library has no versions.
  Say("PQfinish@: %d", dlvsym(RTLD_DEFAULT, "PQfinish", "") != nullptr);
  return 0;
}

int MessagesOfFailure() {
  dlerror();
  Say("%d", dlsym(RTLD_DEFAULT, "NoSuchName") == nullptr);
  Say("%s", dlerror());
  Say("%d", dlsym(RTLD_NEXT, "NoSuchName") == nullptr);
  Say("%s", Base(dlerror()));
  Say("%d", dlsym(LibpqHandle(), "PQnoSuchName") == nullptr);
  Say("%s", Base(dlerror()));
  Say("%d", dlvsym(RTLD_DEFAULT, "PQfinish", "NONE_1") == nullptr);
  Say("%s", Base(dlerror()));
  Say("%d", dlopen("libnosuch.so.1", RTLD_NOW) == nullptr);
  Say("%s", dlerror());
  Say("none left: %d", dlerror() == nullptr);
  return 0;
}

// dlerror() belongs to the host: what failed before a connect is still said after it.
int FailureIsKept() {
  dlsym(RTLD_DEFAULT, "NoSuchName");
  Work();
  Say("kept: %d", dlerror() != nullptr);
  Work();
  Say("none: %d", dlerror() == nullptr);
  return 0;
}

int Next() {
  void* next = dlsym(RTLD_NEXT, "PQconnectdb");
  Say("found: %d", next != nullptr);
  if (next == nullptr) return 1;
  auto* connect = reinterpret_cast<PGconn* (*)(const char*)>(next);
  PGconn* conn = connect("");
  Query(conn, "SELECT 1");
  Finish(conn);
  Say("write: %d", dlsym(RTLD_NEXT, "write") != nullptr);
  Say("dlsym: %d", dlsym(RTLD_NEXT, "dlsym") != nullptr);
  return 0;
}

int NotLoaded() {
  Say("libpq: %d", LibpqHandle() != nullptr);
  Say("libcurl: %d", dlopen("libcurl.so.4", RTLD_NOW | RTLD_NOLOAD) != nullptr);
  Say("libunwind: %d", dlopen("libunwind.so.8", RTLD_NOW | RTLD_NOLOAD) != nullptr);
  return 0;
}

// A second libpq with a libc of its own: nothing of ours is there.
int OtherNamespace() {
  void* handle = dlmopen(LM_ID_NEWLM, "libpq.so.5", RTLD_NOW | RTLD_LOCAL);
  Say("opened: %d", handle != nullptr);
  if (handle == nullptr) return 1;
  auto* connect = reinterpret_cast<PGconn* (*)(const char*)>(dlsym(handle, "PQconnectdb"));
  auto* status = reinterpret_cast<ConnStatusType (*)(const PGconn*)>(dlsym(handle, "PQstatus"));
  auto* finish = reinterpret_cast<void (*)(PGconn*)>(dlsym(handle, "PQfinish"));
  PGconn* conn = connect("");
  Say("connected: %d", status(conn) == CONNECTION_OK);
  finish(conn);
  Work();
  Lmid_t id = 0;
  Say("namespace: %d", dlinfo(handle, RTLD_DI_LMID, &id) == 0 && id != LM_ID_BASE);
  Say("closed: %d", dlclose(handle));
  Work();
  return 0;
}

int AddressInfo() {
  Dl_info info = {};
  Say("found: %d", dladdr(reinterpret_cast<void*>(&PQfinish), &info));
  Say("name: %s", info.dli_sname);
  Say("main: %d", dladdr(reinterpret_cast<void*>(&AddressInfo), &info));
  Say("file: %s", Base(info.dli_fname));
  return 0;
}

// A cache of the loaded objects, made anew when the counters say that something has changed.
int CountersStay() {
  struct Counters {
    unsigned long long adds, subs;
    int objects;
  };
  const auto read = [](dl_phdr_info* info, size_t, void* data) {
    auto* counters = static_cast<Counters*>(data);
    counters->adds = info->dlpi_adds;
    counters->subs = info->dlpi_subs;
    ++counters->objects;
    return 0;
  };
  Counters before = {};
  Counters after = {};
  dl_iterate_phdr(read, &before);
  Work();
  dl_iterate_phdr(read, &after);
  Say("loaded by a connect: %d", static_cast<int>(after.adds - before.adds));
  Say("unloaded by a connect: %d", static_cast<int>(after.subs - before.subs));
  return before.objects == after.objects ? 0 : 1;
}

// Connects while the lock of the list of objects is held.
int ConnectWhileIterating() {
  dl_iterate_phdr(
      [](dl_phdr_info*, size_t, void*) {
        Work();
        return 1;
      },
      nullptr);
  return 0;
}

int LinkMapList() {
  int count = 0;
  bool libpq = false;
  for (const link_map* map = _r_debug.r_map; map != nullptr; map = map->l_next) {
    ++count;
    libpq = libpq || strstr(map->l_name, "libpq.so") != nullptr;
    if (map->l_next != nullptr && map->l_next->l_prev != map) Say("broken");
  }
  Say("libpq: %d, more than two: %d, state %d", libpq, count > 2, _r_debug.r_state);
  return 0;
}

int OddNames() {
  Say("empty: %d", dlsym(RTLD_DEFAULT, "") != nullptr);
  Say("one: %d", dlsym(RTLD_DEFAULT, "P") != nullptr);
  char longest[5000];
  memset(longest, 'P', sizeof(longest));
  longest[sizeof(longest) - 1] = '\0';
  Say("long: %d", dlsym(RTLD_DEFAULT, longest) != nullptr);
  Say("case: %d", dlsym(RTLD_DEFAULT, "pqfinish") != nullptr);
  Say("ours: %d", dlsym(RTLD_DEFAULT, "PQ") != nullptr);
  return 0;
}

int OpensAndCloses() {
  for (int i = 0; i < 200; ++i) {
    void* handle = dlopen("libpq.so.5", RTLD_LAZY | RTLD_LOCAL);
    if (handle == nullptr || dlsym(handle, "PQstatus") == nullptr) return 1;
    if (dlclose(handle) != 0) return 2;
  }
  Work();
  return 0;
}

int SearchPaths() {
  Dl_serinfo size = {};
  void* self = dlopen(nullptr, RTLD_NOW);
  Say("asked: %d", dlinfo(self, RTLD_DI_SERINFOSIZE, &size));
  char origin[4096] = "";
  Say("origin: %d", dlinfo(self, RTLD_DI_ORIGIN, origin));
  Say("%s", Base(origin));
  return 0;
}

constexpr HostMode kModes[] = {
    {"addresses_equal", AddressesEqual},
    {"address_equal_by_handle", AddressEqualByHandle},
    {"versioned_names", VersionedNames},
    {"messages_of_failure", MessagesOfFailure},
    {"failure_is_kept", FailureIsKept},
    {"next", Next},
    {"not_loaded", NotLoaded},
    {"other_namespace", OtherNamespace},
    {"address_info", AddressInfo},
    {"counters_stay", CountersStay},
    {"connect_while_iterating", ConnectWhileIterating},
    {"link_map_list", LinkMapList},
    {"odd_names", OddNames},
    {"opens_and_closes", OpensAndCloses},
    {"search_paths", SearchPaths},
};

}  // namespace

int main(int argc, char** argv) { return RunMode(argc, argv, kModes); }
