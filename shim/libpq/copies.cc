// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/copies.h"

#include <dlfcn.h>
#include <link.h>

#include <cstring>

#include "shim/stack/loader_state.h"
#include "shim/support/own_code.h"
#include "shim/support/text.h"

namespace pqleash::libpq {

namespace internal {
constinit std::atomic<uint32_t> copies_used{0};
constinit Copy copies[kMaxCopies] = {};
}  // namespace internal

namespace {

using internal::copies;
using internal::copies_used;

// Every libpq has it, and nothing else does.
constexpr char kSignature[] = "PQconnectStart";

constinit std::atomic<uint32_t> copies_claimed{0};

struct ObjectRange {
  uintptr_t address;
  uintptr_t begin = 0;
  uintptr_t end = 0;
};

int FindRange(dl_phdr_info* info, size_t, void* data) {
  auto* range = static_cast<ObjectRange*>(data);
  uintptr_t begin = UINTPTR_MAX;
  uintptr_t end = 0;
  bool inside = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const uintptr_t low = info->dlpi_addr + segment.p_vaddr;
    const uintptr_t high = low + segment.p_memsz;
    inside = inside || (range->address >= low && range->address < high);
    if (low < begin) begin = low;
    if (high > end) end = high;
  }
  if (!inside) return 0;
  range->begin = begin;
  range->end = end;
  return 1;
}

// Looks `name` up in `handle`. Our own wrappers are no answer: a look-up through the main program's
// handle reaches the global scope, where they come first.
template <typename Pointer>
void LookUp(void* handle, const char* name, Pointer* result) {
  void* found = dlsym(handle, name);
  *result = OwnCode(found) ? nullptr : reinterpret_cast<Pointer>(found);
}

void LookUpAll(void* handle, Copy* copy) {
  for (uint32_t i = 0; i < kFunctionCount; ++i)
    LookUp(handle, kFunctionNames[i], &copy->functions[i]);
  LookUp(handle, "PQstatus", &copy->status);
  LookUp(handle, "PQtransactionStatus", &copy->transaction_status);
  LookUp(handle, "PQbackendPID", &copy->backend_pid);
  LookUp(handle, "PQhost", &copy->host);
  LookUp(handle, "PQport", &copy->port);
  LookUp(handle, "PQdb", &copy->db);
  LookUp(handle, "PQuser", &copy->user);
  LookUp(handle, "PQparameterStatus", &copy->parameter_status);
  int (*lib_version)() = nullptr;
  LookUp(handle, "PQlibVersion", &lib_version);
  if (lib_version != nullptr) copy->version = static_cast<uint32_t>(lib_version());
}

bool Usable(const Copy& copy) {
  return copy.Real(Function::kPQconnectStart) != nullptr && copy.status != nullptr &&
         copy.transaction_status != nullptr;
}

// Enters the copy that defines the function at `definition`. `scope` is where its functions are
// looked up: RTLD_NEXT, so that whoever else interposes a single function keeps its say, or nullptr
// for the object itself.
const Copy* Enter(void* definition, void* scope) {
  if (const Copy* known = Containing(definition)) return known;
  Dl_info info = {};
  link_map* map = nullptr;
  if (dladdr1(definition, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0 ||
      map == nullptr) {
    return nullptr;
  }
  // Never closed: this pins the object. An empty name is the main program.
  const char* name = map->l_name[0] != '\0' ? map->l_name : nullptr;
  void* handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (handle == nullptr) return nullptr;
  ObjectRange range{reinterpret_cast<uintptr_t>(definition)};
  dl_iterate_phdr(FindRange, &range);
  if (range.end == 0) return nullptr;

  const uint32_t number = copies_claimed.fetch_add(1, std::memory_order_relaxed);
  if (number >= kMaxCopies) {
    copies_claimed.store(kMaxCopies, std::memory_order_relaxed);
    return nullptr;
  }
  Copy* copy = &copies[number];
  LookUpAll(scope != nullptr ? scope : handle, copy);
  if (info.dli_fname != nullptr) CopyText(info.dli_fname, copy->path);
  if (!Usable(*copy)) return nullptr;  // the number stays unused: its range is empty
  copy->begin = range.begin;
  copy->end = range.end;
  // Numbers become visible in any order: an entry that is still being filled has an empty range.
  uint32_t used = copies_used.load(std::memory_order_relaxed);
  while (used < number + 1 &&
         !copies_used.compare_exchange_weak(used, number + 1, std::memory_order_release)) {
  }
  return copy;
}

void* DefinitionForCaller(const void* caller) {
  Dl_info info = {};
  link_map* map = nullptr;
  if (caller == nullptr ||
      dladdr1(caller, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0 ||
      map == nullptr || map->l_name[0] == '\0') {
    return nullptr;  // the main program's own needs are in the global scope: RTLD_NEXT has seen
                     // them
  }
  void* handle = dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return nullptr;
  void* definition = dlsym(handle, kSignature);
  dlclose(handle);
  return OwnCode(definition) ? nullptr : definition;
}

struct LibpqName {
  uint32_t wanted;
  uint32_t seen = 0;
  char name[256] = {};
};

int FindLibpqName(dl_phdr_info* info, size_t, void* data) {
  auto* search = static_cast<LibpqName*>(data);
  if (info->dlpi_name == nullptr) return 0;
  const char* slash = strrchr(info->dlpi_name, '/');
  const char* base = slash != nullptr ? slash + 1 : info->dlpi_name;
  // 'libpq' and then no letter: libpqleash.so and libpqxx are none.
  if (strncmp(base, "libpq", 5) != 0 || (base[5] >= 'a' && base[5] <= 'z')) return 0;
  if (strlen(info->dlpi_name) >= sizeof(search->name)) return 0;
  if (search->seen++ != search->wanted) return 0;
  strcpy(search->name, info->dlpi_name);  // NOLINT: the length was just checked
  return 1;
}

void* DefinitionAnywhere() {
  for (uint32_t i = 0; i < kMaxCopies; ++i) {
    LibpqName search{i};
    if (dl_iterate_phdr(FindLibpqName, &search) == 0) return nullptr;
    void* handle = dlopen(search.name, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) continue;
    void* definition = dlsym(handle, kSignature);
    dlclose(handle);
    if (definition != nullptr && !OwnCode(definition)) return definition;
  }
  return nullptr;
}

const Copy* Find(const void* caller) {
  if (void* next = dlsym(RTLD_NEXT, kSignature)) {
    if (const Copy* copy = Enter(next, RTLD_NEXT)) return copy;
  }
  if (void* definition = DefinitionForCaller(caller)) {
    if (const Copy* copy = Enter(definition, nullptr)) return copy;
  }
  if (void* definition = DefinitionAnywhere()) return Enter(definition, nullptr);
  return nullptr;
}

// What was found for a return address, good while the loader's list of objects stays as it is.
// Direct-mapped; an entry is one word: the upper bits of a hash of (caller, loader state), the
// lower ones 1 + number of the copy.
constexpr uint32_t kFoundEntries = 256;
constexpr uint64_t kCopyMask = 0xff;
constinit std::atomic<uint64_t> found[kFoundEntries] = {};

}  // namespace

const Copy* ForCaller(const void* caller) noexcept {
  const uint64_t hash = Mix(reinterpret_cast<uintptr_t>(caller), ReadLoaderState().Hash());
  std::atomic<uint64_t>& entry = found[hash % kFoundEntries];
  const uint64_t value = entry.load(std::memory_order_acquire);
  if ((value & ~kCopyMask) == (hash & ~kCopyMask) && (value & kCopyMask) != 0) {
    return &copies[(value & kCopyMask) - 1];
  }
  const Copy* copy = Find(caller);
  if (copy == nullptr) return nullptr;
  // What we failed to look up is no error of the host's: leave it no message.
  dlerror();
  entry.store((hash & ~kCopyMask) | (Number(copy) + 1), std::memory_order_release);
  return copy;
}

uint32_t Number(const Copy* copy) { return static_cast<uint32_t>(copy - copies); }

const Copy* ByNumber(uint32_t number) { return number < kMaxCopies ? &copies[number] : nullptr; }

}  // namespace pqleash::libpq
