// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_LEDGER_SCRIPT_FRAME_TABLE_H_
#define PQLEASH_SHIM_LEDGER_SCRIPT_FRAME_TABLE_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "shim/ledger/record_table.h"
#include "shim/ledger/string_heap.h"

namespace pqleash::ledger {

// Interned frames of interpreted programs. Thread-safe.
class ScriptFrameTable {
 public:
  void Use(Ledger* ledger, StringHeap* strings, std::atomic<uint32_t>* entries,
           uint32_t entry_count);

  // Number of the frame; 0: there is no room.
  uint32_t Intern(Language language, std::string_view function, std::string_view file,
                  uint32_t line);

  // Number of the frame if it is there; 0 otherwise.
  uint32_t Find(Language language, std::string_view function, std::string_view file,
                uint32_t line) const;

  const ScriptFrame& At(uint32_t number) const {
    return ledger_->At<ScriptFrame>(kScriptFrames, number);
  }
  std::string_view Text(StringRef reference) const { return strings_->Get(reference); }

 private:
  Ledger* ledger_;
  StringHeap* strings_;
  RecordTable<ScriptFrame, kScriptFrames, &Header::script_frames_used> table_;
};

}  // namespace pqleash::ledger

#endif  // PQLEASH_SHIM_LEDGER_SCRIPT_FRAME_TABLE_H_
