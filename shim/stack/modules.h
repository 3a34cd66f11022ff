// SPDX-License-Identifier: Apache-2.0
//
// Which executable or shared object an address lies in, now and in the ledger.

#ifndef PQLEASH_SHIM_STACK_MODULES_H_
#define PQLEASH_SHIM_STACK_MODULES_H_

#include <atomic>
#include <cstdint>

#include "shim/ledger/ledger.h"
#include "shim/ledger/string_heap.h"
#include "shim/stack/loader_state.h"

namespace pqleash::stack {

// Where a return address lies.
struct Location {
  uint32_t module;    // number in the ledger; kNoModule: generated code, or no room for the module
  uint64_t offset;    // address minus load bias; the address itself where there is no module
  uint64_t identity;  // hash of the module's build id, or of its file name where it has none
};
inline constexpr uint32_t kNoModule = UINT32_MAX;

inline constexpr uint32_t kMaxLoadedModules = 2'048;

// The map of loaded objects, sorted by address, in private memory. Thread-safe.
class Modules {
 public:
  void Use(ledger::Ledger* ledger, ledger::StringHeap* strings);

  // From now on Follow makes no system call: what it works in is kept, some 20 KiB of memory.
  void Keep();

  // Brings map and ledger up to date when the dynamic linker has loaded or unloaded something
  // since. It asks the linker first and takes our lock afterwards: never both.
  void Follow(const LoaderState& state);

  // Locates `count` return addresses. False: the map could not be looked at in time; nothing was
  // written.
  bool Locate(const void* const* addresses, uint32_t count, Location* locations);

 private:
  struct Range {
    uintptr_t begin;
    uintptr_t end;
    uintptr_t bias;
    uint64_t identity;
    uint32_t module;
  };
  struct Seen;

  void* TakeMemory();
  void GiveMemory(void* memory);
  static int Collect(struct dl_phdr_info* info, size_t size, void* data);
  static void MakeAbsolute(Seen* seen);
  void Replace(const Seen& seen);
  uint32_t Book(const Seen& seen, uint32_t object);
  Location LocateOne(uintptr_t address) const;

  ledger::Ledger* ledger_;
  ledger::StringHeap* strings_;
  std::atomic<bool> keeps_;
  std::atomic<void*> kept_;  // nullptr: none, or in use
  BoundedLock lock_;
  // Guarded by lock_.
  LoaderState followed_;
  bool followed_once_;
  char program_[512];  // the path of the main program; empty: to be asked for
  uint32_t range_count_;
  Range ranges_[kMaxLoadedModules];
};

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_MODULES_H_
