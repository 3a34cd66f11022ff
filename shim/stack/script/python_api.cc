// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/script/python_api.h"

#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <cstring>

#include "shim/stack/script/own_memory.h"

namespace pqleash::stack::python {
namespace {

using LookUp = void* (*)(void* handle, const char* name);

constexpr char kSignature[] = "Py_IsInitialized";
constexpr uint32_t kMaxLibraries = 8;  // called libpython3*, that are looked into

// Written once, by whoever sets `claimed`, and read after `found` has been set.
Api found_api;
std::atomic<bool> claimed = false;
std::atomic<const Api*> found = nullptr;

struct LibraryName {
  uint32_t wanted;
  uint32_t seen = 0;
  char name[PATH_MAX] = {};
};

int FindLibraryName(dl_phdr_info* info, size_t, void* data) {
  auto* search = static_cast<LibraryName*>(data);
  if (info->dlpi_name == nullptr) return 0;
  const char* slash = strrchr(info->dlpi_name, '/');
  const char* base = slash != nullptr ? slash + 1 : info->dlpi_name;
  constexpr char kPrefix[] = "libpython3";
  if (strncmp(base, kPrefix, sizeof kPrefix - 1) != 0) return 0;
  const size_t length = strlen(info->dlpi_name);
  if (length >= sizeof search->name) return 0;
  if (search->seen++ != search->wanted) return 0;
  memcpy(search->name, info->dlpi_name, length + 1);
  return 1;
}

// A handle for the object that defines CPython's functions; nullptr: none. The reference is the
// caller's.
void* OpenLibrary(LookUp look_up) {
  if (void* definition = look_up(RTLD_DEFAULT, kSignature)) {
    Dl_info info = {};
    link_map* map = nullptr;
    if (dladdr1(definition, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0 ||
        map == nullptr) {
      return nullptr;
    }
    // An empty name is the main program.
    return dlopen(map->l_name[0] != '\0' ? map->l_name : nullptr, RTLD_LAZY | RTLD_NOLOAD);
  }
  for (uint32_t i = 0; i < kMaxLibraries; ++i) {
    LibraryName search{i};
    if (dl_iterate_phdr(FindLibraryName, &search) == 0) return nullptr;
    void* handle = dlopen(search.name, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) continue;  // unloaded in the meantime
    if (look_up(handle, kSignature) != nullptr) return handle;
    dlclose(handle);
  }
  return nullptr;
}

// The minor version of "3.11.2 (main, …) [GCC …]"; -1 where this is no version that we know.
int KnownMinor(const char* version) {
  if (version == nullptr || strncmp(version, "3.", 2) != 0) return -1;
  int minor = 0;
  for (const char* digit = version + 2; *digit >= '0' && *digit <= '9' && minor < 100; ++digit) {
    minor = minor * 10 + (*digit - '0');
  }
  if (minor < kOldestMinor || minor > kNewestMinor) return -1;
  // Other layouts, and code objects whose tables several threads have each their own of.
  if (strstr(version, "free-threading") != nullptr) return -1;
  return minor;
}

template <typename Function>
bool Set(LookUp look_up, void* handle, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(look_up(handle, name));
  return *function != nullptr;
}

bool SetAddress(LookUp look_up, void* handle, const char* name, uintptr_t* address) {
  *address = reinterpret_cast<uintptr_t>(look_up(handle, name));
  return *address != 0;
}

bool LookUpAll(LookUp look_up, void* handle, Api* api) {
  // Works before Py_Initialize too.
  const char* (*version)() = nullptr;
  if (!Set(look_up, handle, "Py_GetVersion", &version)) return false;
  api->minor = KnownMinor(version());
  if (api->minor < 0) return false;

#define PQLEASH_PYTHON_SET(result, name, parameters) \
  if (!Set(look_up, handle, #name, &api->name)) return false;
  PQLEASH_PYTHON_FUNCTIONS(PQLEASH_PYTHON_SET)
#undef PQLEASH_PYTHON_SET

  const bool public_names = api->minor >= 13;
  if (!Set(look_up, handle, public_names ? "Py_IsFinalizing" : "_Py_IsFinalizing",
           &api->is_finalizing) ||
      !Set(look_up, handle,
           public_names ? "PyThreadState_GetUnchecked" : "_PyThreadState_UncheckedGet",
           &api->current_thread_state) ||
      !SetAddress(look_up, handle, "_PyRuntime", &api->runtime.runtime) ||
      !SetAddress(look_up, handle, "PyCode_Type", &api->runtime.code_type) ||
      !SetAddress(look_up, handle, "PyUnicode_Type", &api->runtime.text_type) ||
      !SetAddress(look_up, handle, "PyBytes_Type", &api->runtime.bytes_type) ||
      !Set(look_up, handle, "_PyEval_EvalFrameDefault", &api->evaluator)) {
    return false;
  }
  OwnMemory memory;
  return ReadLayout(memory, api->minor, api->runtime.runtime, &api->runtime.layout);
}

}  // namespace

bool FindApi(LookUp look_up) {
  if (FoundApi() != nullptr) return true;
  Api api = {};
  void* handle = OpenLibrary(look_up);
  const bool usable = handle != nullptr && LookUpAll(look_up, handle, &api);
  if (usable && !claimed.exchange(true, std::memory_order_acq_rel)) {
    // The handle stays open: what the table points to must not be unloaded.
    found_api = api;
    found.store(&found_api, std::memory_order_release);
  } else if (handle != nullptr) {
    dlclose(handle);
  }
  // A failed look-up leaves a message behind, which a host that asks only after its own, successful
  // one would take for its own.
  dlerror();
  return usable;
}

const Api* FoundApi() { return found.load(std::memory_order_acquire); }

}  // namespace pqleash::stack::python
