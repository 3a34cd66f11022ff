// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/script_frame_table.h"

#include "shim/support/hash.h"

namespace pqleash::ledger {

void ScriptFrameTable::Use(Ledger* ledger, StringHeap* strings, std::atomic<uint32_t>* entries,
                           uint32_t entry_count) {
  ledger_ = ledger;
  strings_ = strings;
  table_.Use(ledger, entries, entry_count);
}

uint32_t ScriptFrameTable::Intern(Language language, std::string_view function,
                                  std::string_view file, uint32_t line) {
  const ScriptFrame frame = {language, line, strings_->Intern(function), strings_->Intern(file)};
  const uint64_t hash = Mix(Mix(frame.function, frame.file), uint64_t{line} << 8 | language);
  return table_.Intern(
      frame, hash,
      [](const ScriptFrame& a, const ScriptFrame& b) {
        return a.language == b.language && a.line == b.line && a.function == b.function &&
               a.file == b.file;
      },
      [](ScriptFrame&) {});
}

}  // namespace pqleash::ledger
