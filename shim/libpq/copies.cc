// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/copies.h"

#include <dlfcn.h>
#include <link.h>

#include <cstring>

#include "shim/libpq/deep_bind.h"
#include "shim/libpq/names.h"
#include "shim/stack/loader_state.h"
#include "shim/support/linker.h"
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
  void* found = linker::LookUp(handle, name);
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
  LookUp(handle, "PQerrorMessage", &copy->error_message);
  LookUp(handle, "PQconninfo", &copy->conninfo);
  LookUp(handle, "PQconninfoFree", &copy->conninfo_free);
  LookUp(handle, "PQregisterEventProc", &copy->register_event_proc);
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
  // Never closed: this pins the object. An empty name is the main program. Where the linker has no
  // memory for that, a libpq of the global scope can be called all the same.
  const char* name = map->l_name[0] != '\0' ? map->l_name : nullptr;
  void* handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (handle == nullptr && scope == nullptr) return nullptr;
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

// The linker's record of the object that `address` lies in; nullptr: none.
const link_map* ObjectOf(const void* address) {
  Dl_info info = {};
  link_map* map = nullptr;
  if (address == nullptr ||
      dladdr1(address, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) == 0) {
    return nullptr;
  }
  return map;
}

// By the object and what it needs. The main program's own needs are in the global scope: RTLD_NEXT
// has seen them.
void* DefinitionForObject(const link_map* map) {
  if (map == nullptr || map->l_name[0] == '\0') return nullptr;
  void* handle = dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return nullptr;
  void* definition = linker::LookUp(handle, kSignature);
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
  if (!IsLibpqName(info->dlpi_name)) return 0;
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
    void* definition = linker::LookUp(handle, kSignature);
    dlclose(handle);
    if (definition != nullptr && !OwnCode(definition)) return definition;
  }
  return nullptr;
}

const Copy* FindNext() {
  void* next = linker::LookUp(RTLD_NEXT, kSignature);
  return next != nullptr ? Enter(next, RTLD_NEXT) : nullptr;
}

const Copy* FindForObject(const link_map* map) {
  void* definition = DefinitionForObject(map);
  return definition != nullptr ? Enter(definition, nullptr) : nullptr;
}

Service Find(const void* caller) {
  const link_map* map = ObjectOf(caller);
  const bool deep_bound = map != nullptr && AskedForDeepBind(map->l_name);
  const uint32_t way = deep_bound ? ledger::kWayDeepBind : ledger::kWayBound;
  if (deep_bound) {
    if (const Copy* copy = FindForObject(map)) return {copy, way};
  }
  if (const Copy* copy = FindNext()) return {copy, way};
  if (const Copy* copy = FindForObject(map)) return {copy, way};
  void* definition = DefinitionAnywhere();
  return {definition != nullptr ? Enter(definition, nullptr) : nullptr, way};
}

// What was found for a return address, good while the loader's list of objects stays as it is.
// Direct-mapped; an entry is one word: the upper bits of a hash of (caller, loader state), the
// lower ones 1 + number of the copy and the
// mark of a deeply bound caller.
constexpr uint32_t kFoundEntries = 256;
constexpr uint64_t kFoundMask = 0xff;
constexpr uint64_t kDeepBound = 0x80;
constinit std::atomic<uint64_t> found[kFoundEntries] = {};

}  // namespace

Service ForCaller(const void* caller) noexcept {
  const uint64_t hash = Mix(reinterpret_cast<uintptr_t>(caller), ReadLoaderState().Hash());
  std::atomic<uint64_t>& entry = found[hash % kFoundEntries];
  const uint64_t value = entry.load(std::memory_order_acquire);
  if ((value & ~kFoundMask) == (hash & ~kFoundMask) && (value & kFoundMask) != 0) {
    const bool deep_bound = (value & kDeepBound) != 0;
    return {&copies[(value & kFoundMask & ~kDeepBound) - 1],
            deep_bound ? ledger::kWayDeepBind : ledger::kWayBound};
  }
  const Service service = Find(caller);
  if (service.copy == nullptr) return service;
  // What we failed to look up is no error of the host's: leave it no message.
  dlerror();
  const uint64_t mark = service.way == ledger::kWayDeepBind ? kDeepBound : 0;
  entry.store((hash & ~kFoundMask) | mark | (Number(service.copy) + 1), std::memory_order_release);
  return service;
}

const Copy* ForDefinition(void* definition) noexcept { return Enter(definition, nullptr); }

uint32_t Number(const Copy* copy) { return static_cast<uint32_t>(copy - copies); }

const Copy* ByNumber(uint32_t number) { return number < kMaxCopies ? &copies[number] : nullptr; }

}  // namespace pqleash::libpq
