// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/script_frame_table.h"

#include "shim/support/hash.h"

namespace pqleash::ledger {

namespace {

uint64_t Hash(const ScriptFrame& frame) {
  return Mix(Mix(frame.function, frame.file), uint64_t{frame.line} << 8 | frame.language);
}

bool Same(const ScriptFrame& a, const ScriptFrame& b) {
  return a.language == b.language && a.line == b.line && a.function == b.function &&
         a.file == b.file;
}

}  // namespace

void ScriptFrameTable::Use(Ledger* ledger, StringHeap* strings, std::atomic<uint32_t>* entries,
                           uint32_t entry_count) {
  ledger_ = ledger;
  strings_ = strings;
  table_.Use(ledger, entries, entry_count);
}

uint32_t ScriptFrameTable::Intern(Language language, std::string_view function,
                                  std::string_view file, uint32_t line) {
  const ScriptFrame frame = {language, line, strings_->Intern(function), strings_->Intern(file)};
  return table_.Intern(frame, Hash(frame), Same, [](ScriptFrame&) {});
}

uint32_t ScriptFrameTable::Find(Language language, std::string_view function, std::string_view file,
                                uint32_t line) const {
  const ScriptFrame frame = {language, line, strings_->Find(function), strings_->Find(file)};
  const bool known = (frame.function != 0 || function.empty()) && (frame.file != 0 || file.empty());
  return known ? table_.Find(frame, Hash(frame), Same) : 0;
}

}  // namespace pqleash::ledger
