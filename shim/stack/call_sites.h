// SPDX-License-Identifier: Apache-2.0
//
// Call sites: distinct stacks that open connections, interned in the ledger, with an identity that
// is the same in every process, restart and host of one build.
//
// Identity: FNV-1a (64 bits) over the frames, innermost first, each as the identity of its module
// (FNV-1a of the build id, or of the file name where there is none) and its offset in the module,
// both 8 bytes, least significant first. A run of frames outside of any module (generated code)
// counts as one, without an offset: its addresses change from run to run.
//
// Where an interpreter is on the stack, the native frames from its own on are left out, and each
// frame of the program counts as language and line (one 8-byte number), file and function (each
// with a NUL behind it): an interpreter's inner loop says nothing about the code, and two functions
// of one program are two call sites.

#ifndef PQLEASH_SHIM_STACK_CALL_SITES_H_
#define PQLEASH_SHIM_STACK_CALL_SITES_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "shim/ledger/ledger.h"
#include "shim/ledger/script_frame_table.h"
#include "shim/stack/modules.h"
#include "shim/support/hash.h"

namespace pqleash::stack {

inline constexpr uint32_t kMaxDepth = 256;

// A captured stack: return addresses, innermost first, beginning at the caller of libpq, and the
// frames of the program that an interpreter runs, if there is one on it.
struct Stack {
  uint32_t count;
  uint16_t flags;  // ledger::CallSiteFlags
  const void* addresses[kMaxDepth];
  uint32_t script_count;
  const void*
      interpreter;  // an address in the code of the interpreter; nullptr without script frames
  uint32_t script_frames[kMaxDepth];  // numbers in the ledger
};

// Computes the identity of a stack from its located frames, innermost first.
class StackIdentity {
 public:
  void Add(const Location& frame);
  void AddScript(ledger::Language language, uint32_t line, std::string_view file,
                 std::string_view function);
  uint64_t value() const;

 private:
  Fnv1a hash_;
  bool in_generated_code_ = false;
};

// Thread-safe; booking a stack that was seen before takes no lock.
class CallSites {
 public:
  // `seen` and `by_id`: zeroed memory for `seen_count` and `by_id_count` words, powers of two;
  // `by_id_count` at least twice the section's capacity.
  void Use(ledger::Ledger* ledger, Modules* modules, const ledger::ScriptFrameTable* script_frames,
           std::atomic<uint64_t>* seen, uint32_t seen_count, std::atomic<uint32_t>* by_id,
           uint32_t by_id_count);

  // Number of the call site of `stack`; 0 ('not known') for an empty stack and where there is no
  // room, which is counted.
  uint32_t Book(const Stack& stack, const LoaderState& loader);

  // The same for the stack of a use; what has found no room is not counted. They may fill half of
  // the tables: a place that opens connections must still find room then. `may_add` false: number
  // of one that is there, or 0.
  bool HasRoomForUses() const;
  uint32_t BookUse(const Stack& stack, const LoaderState& loader, bool may_add);

 private:
  uint32_t Look(const Stack& stack, const LoaderState& loader, bool may_add);
  uint32_t BookNew(const Stack& stack, const LoaderState& loader, bool may_add);
  uint32_t Find(uint64_t id, uint32_t* vacant) const;
  uint32_t Append(uint64_t id, uint16_t flags, const uint64_t* frames, uint32_t count);

  ledger::Ledger* ledger_;
  Modules* modules_;
  const ledger::ScriptFrameTable* script_frames_;
  // A cache of what raw addresses came to: hash of the addresses in the upper bits, number of the
  // site in the lower 20. Direct-mapped and overwriting: it cannot fill up.
  std::atomic<uint64_t>* seen_;
  uint32_t seen_count_;
  std::atomic<uint32_t>* by_id_;
  uint32_t by_id_count_;
  BoundedLock lock_;
};

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_CALL_SITES_H_
