// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/copies.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <new>

#include "shim/interpose/intercepted.h"
#include "shim/libpq/definitions.h"
#include "shim/libpq/names.h"
#include "shim/stack/loader_state.h"
#include "shim/support/elf_symbol.h"
#include "shim/support/hash.h"
#include "shim/support/linker.h"
#include "shim/support/own_code.h"
#include "shim/support/start_scope.h"
#include "shim/support/text.h"

namespace pqleash::libpq {

namespace internal {
constinit std::atomic<uint32_t> copies_used{0};
constinit Copy copies[kMaxCopies] = {};
}  // namespace internal

namespace {

using internal::copies;
using internal::copies_used;

// A function that every libpq has and no other library.
constexpr char kSignature[] = "PQconnectStart";

constinit std::atomic<uint32_t> copies_claimed{0};

// For copies that are not pinned: the linker's count of removed objects when the copy was last seen
// loaded, and whether the copy has been unloaded.
struct Presence {
  std::atomic<uint64_t> removed;
  std::atomic<bool> gone;
};
constinit Presence presence[kMaxCopies] = {};

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

// A connection is only passed to functions of the object that made it, even if another object
// defines a function of that name. A stranger's function would misread the PGconn.
template <typename Pointer>
void LookUpOwn(const link_map* map, const char* name, Pointer* result) {
  *result = reinterpret_cast<Pointer>(FindFunction(map->l_ld, map->l_addr, name));
}

void LookUpAll(const link_map* map, bool global, Copy* copy) {
  for (uint32_t i = 0; i < kFunctionCount; ++i) {
    void* found = global ? linker::LookUp(RTLD_NEXT, kFunctionNames[i])
                         : FindFunction(map->l_ld, map->l_addr, kFunctionNames[i]);
    copy->functions[i] = OwnCode(found) ? nullptr : found;
  }
  LookUpOwn(map, "PQstatus", &copy->status);
  LookUpOwn(map, "PQtransactionStatus", &copy->transaction_status);
  LookUpOwn(map, "PQbackendPID", &copy->backend_pid);
  LookUpOwn(map, "PQhost", &copy->host);
  LookUpOwn(map, "PQport", &copy->port);
  LookUpOwn(map, "PQdb", &copy->db);
  LookUpOwn(map, "PQuser", &copy->user);
  LookUpOwn(map, "PQparameterStatus", &copy->parameter_status);
  LookUpOwn(map, "PQerrorMessage", &copy->error_message);
  LookUpOwn(map, "PQconninfo", &copy->conninfo);
  LookUpOwn(map, "PQconninfoFree", &copy->conninfo_free);
  LookUpOwn(map, "PQregisterEventProc", &copy->register_event_proc);
  int (*lib_version)() = nullptr;
  LookUpOwn(map, "PQlibVersion", &lib_version);
  if (lib_version != nullptr) copy->version = static_cast<uint32_t>(lib_version());
}

// Whether connections can be tracked with this copy: it has every function that each libpq since 12
// has. A test double with a few functions does not, and each function called in it would be one
// more call than its test expects.
bool Complete(const Copy& copy) {
  return copy.Real(Function::kPQconnectStart) != nullptr &&
         copy.Real(Function::kPQfinish) != nullptr && copy.status != nullptr &&
         copy.transaction_status != nullptr && copy.error_message != nullptr &&
         copy.backend_pid != nullptr && copy.host != nullptr && copy.port != nullptr &&
         copy.db != nullptr && copy.user != nullptr && copy.parameter_status != nullptr &&
         copy.version != 0;
}

// Returns the end of the function at `address`, according to the symbol table.
uintptr_t EndOf(void* address) {
  Dl_info info = {};
  const ElfW(Sym)* symbol = nullptr;
  const auto begin = reinterpret_cast<uintptr_t>(address);
  void* extra = nullptr;
  if (dladdr1(address, &info, &extra, RTLD_DL_SYMENT) == 0 || extra == nullptr) return begin + 1;
  symbol = static_cast<const ElfW(Sym)*>(extra);
  return begin + symbol->st_size;
}

// Sets the range of libpq's own code in an object that contains more than libpq.
void FindOwnCode(Copy* copy) {
  uintptr_t begin = UINTPTR_MAX;
  void* last = nullptr;
  for (void* function : copy->functions) {
    if (function == nullptr || !copy->Holds(function)) continue;
    begin = std::min(begin, reinterpret_cast<uintptr_t>(function));
    last = std::max(last, function);
  }
  if (last == nullptr) return;
  copy->begin = begin;
  copy->end = EndOf(last);
}

// Fills in a copy for the object that holds `definition`. Returns false if the object cannot be
// tracked.
bool Fill(void* definition, bool global, Copy* copy) {
  const link_map* map = ObjectOf(definition);
  if (map == nullptr) return false;
  // The main program has an empty name.
  const char* name = map->l_name[0] != '\0' ? map->l_name : nullptr;
  copy->pinned = name != nullptr && IsLibpqName(name);
  // The handle is never closed, which pins the object. If the linker has no memory for that, a
  // libpq of the global scope can be used all the same.
  if (copy->pinned && !LoadedAtStart(map) &&
      dlopen(name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) == nullptr && !global)
    return false;
  ObjectRange range{reinterpret_cast<uintptr_t>(definition)};
  dl_iterate_phdr(FindRange, &range);
  copy->object_begin = range.begin;
  copy->object_end = range.end;
  LookUpAll(map, global, copy);
  if (name != nullptr) CopyText(name, copy->path);
  if (range.end == 0 || !Complete(*copy)) return false;
  if (!copy->pinned) {
    FindOwnCode(copy);
    return copy->end != 0;
  }
  copy->begin = range.begin;
  copy->end = range.end;
  return true;
}

// Enters the copy that defines the function at `definition`. If `global` is set, the copy's
// functions are looked up by RTLD_NEXT, so that a library which interposes a single function stays
// in effect. Otherwise they are looked up in the object itself.
const Copy* Enter(void* definition, bool global) {
  if (const Copy* known = Containing(definition)) return known;
  const uint64_t removed = ReadLoaderState().removed;
  const uint32_t number = copies_claimed.fetch_add(1, std::memory_order_relaxed);
  if (number >= kMaxCopies) {
    copies_claimed.store(kMaxCopies, std::memory_order_relaxed);
    return nullptr;
  }
  // A Copy is too large for a small stack, so it is built in its place. Its address range is empty
  // until it is complete.
  Copy* copy = new (&copies[number]) Copy();
  presence[number].removed.store(removed, std::memory_order_relaxed);
  if (!Fill(definition, global, copy)) {
    // Gives the number back, unless another thread has already taken the next one.
    uint32_t claimed = number + 1;
    copies_claimed.compare_exchange_strong(claimed, number, std::memory_order_relaxed);
    return nullptr;
  }
  // Threads may complete their numbers in any order.
  uint32_t used = copies_used.load(std::memory_order_relaxed);
  while (used < number + 1 &&
         !copies_used.compare_exchange_weak(used, number + 1, std::memory_order_release)) {
  }
  return copy;
}

constexpr bool Opens(Function function) {
  return function == Function::kPQconnectdb || function == Function::kPQconnectdbParams ||
         function == Function::kPQsetdbLogin || function == Function::kPQconnectStart ||
         function == Function::kPQconnectStartParams;
}

// Returns the copy that contains the definition of `function`, or nullptr if there is none.
const Copy* CopyOf(Function function, const void* caller, const Definition& definition) {
  const Copy* copy = Containing(definition.address);
  if (copy == nullptr) {
    const Definition signature = FindDefinition(kSignature, caller);
    if (signature.address == nullptr || signature.global != definition.global) return nullptr;
    copy = Enter(signature.address, signature.global);
  }
  if (copy == nullptr || copy->Real(function) != definition.address) return nullptr;
  // If another object defines a function that opens connections, what it opens is not this libpq's.
  return Opens(function) && !copy->Holds(definition.address) ? nullptr : copy;
}

// What was found for a return address. It is valid while the loader's list of objects is unchanged.
// The table is direct-mapped. A writer makes the version odd while it writes. An entry that a dead
// thread or a fork has left odd is never used again.
struct Found {
  std::atomic<uint32_t> version;
  std::atomic<uint32_t> number;  // number of the copy plus 1; 0: no copy
  std::atomic<uint64_t> key;
  std::atomic<void*> definition;
  std::atomic<uint32_t> way;
};
constexpr uint32_t kFoundEntries = 256;
constinit Found found[kFoundEntries] = {};

struct Answer {
  void* definition;
  const Copy* copy;
  uint32_t way;
};

bool Recall(const Found& entry, uint64_t key, Answer* answer) {
  const uint32_t version = entry.version.load(std::memory_order_acquire);
  if (version % 2 != 0 || entry.key.load(std::memory_order_relaxed) != key) return false;
  const uint32_t number = entry.number.load(std::memory_order_relaxed);
  *answer = {entry.definition.load(std::memory_order_relaxed),
             number != 0 ? &copies[number - 1] : nullptr,
             entry.way.load(std::memory_order_relaxed)};
  std::atomic_thread_fence(std::memory_order_acquire);
  return entry.version.load(std::memory_order_relaxed) == version;
}

void Remember(Found& entry, uint64_t key, const Answer& answer) {
  uint32_t version = entry.version.load(std::memory_order_relaxed);
  if (version % 2 != 0 ||
      !entry.version.compare_exchange_strong(version, version + 1, std::memory_order_acquire))
    return;
  std::atomic_thread_fence(std::memory_order_release);
  entry.key.store(key, std::memory_order_relaxed);
  entry.number.store(answer.copy != nullptr ? Number(answer.copy) + 1 : 0,
                     std::memory_order_relaxed);
  entry.definition.store(answer.definition, std::memory_order_relaxed);
  entry.way.store(answer.way, std::memory_order_relaxed);
  entry.version.store(version + 2, std::memory_order_release);
}

Answer Ask(Function function, const void* caller) {
  const uint64_t place = Mix(reinterpret_cast<uintptr_t>(caller), Index(function));
  const uint64_t key = Mix(place, ReadLoaderState().Hash()) | 1;  // 0 is the key of an empty entry
  Found& entry = found[place % kFoundEntries];
  Answer answer;
  if (Recall(entry, key, &answer)) return answer;
  const LoaderCall call;
  if (call.nested()) {
    if (void* definition = FindAtStart(Name(function))) {
      const Copy* copy = SwitchedOff() ? nullptr : Containing(definition);
      return {definition, copy, ledger::kWayBound};
    }
  }
  const Definition definition = FindDefinition(Name(function), caller);
  answer = {definition.address, nullptr, definition.way};
  if (definition.address != nullptr && !SwitchedOff())
    answer.copy = CopyOf(function, caller, definition);
  // The failed look-ups are ours, so the host must not find their message.
  dlerror();
  if (answer.definition != nullptr) Remember(entry, key, answer);
  return answer;
}

}  // namespace

bool StillLoaded(const Copy& copy) noexcept {
  Presence& known = presence[Number(&copy)];
  if (known.gone.load(std::memory_order_acquire)) return false;
  const uint64_t removed = ReadLoaderState().removed;
  if (known.removed.load(std::memory_order_acquire) == removed) return true;
  void* const start = copy.Real(Function::kPQconnectStart);
  const link_map* map = ObjectOf(start);
  ObjectRange range{reinterpret_cast<uintptr_t>(start)};
  dl_iterate_phdr(FindRange, &range);
  if (map == nullptr || range.begin != copy.object_begin || range.end != copy.object_end ||
      FindFunction(map->l_ld, map->l_addr, kSignature) != start) {
    known.gone.store(true, std::memory_order_release);
    return false;
  }
  known.removed.store(removed, std::memory_order_release);
  return true;
}

Service ForCaller(Function function, const void* caller) noexcept {
  const Answer answer = Ask(function, caller);
  return {answer.copy, answer.way};
}

void* NextDefinition(Function function, const void* caller) noexcept {
  return Ask(function, caller).definition;
}

const Copy* ForDefinition(void* definition) noexcept {
  const Copy* copy = Enter(definition, false);
  dlerror();
  return copy;
}

uint32_t Number(const Copy* copy) { return static_cast<uint32_t>(copy - copies); }

const Copy* ByNumber(uint32_t number) { return number < kMaxCopies ? &copies[number] : nullptr; }

}  // namespace pqleash::libpq
