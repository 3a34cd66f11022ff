// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/call_sites.h"

#include <algorithm>
#include <cstring>

#include "shim/support/hash.h"

namespace pqleash::stack {

namespace {

constexpr uint64_t kSiteBits = 20;
constexpr uint64_t kSiteMask = (uint64_t{1} << kSiteBits) - 1;

uint64_t Encode(const Location& frame) {
  if (frame.module == kNoModule) return ledger::EncodeFrame(ledger::kFrameNoModule, frame.offset);
  return ledger::EncodeFrame(1 + uint64_t{frame.module}, frame.offset);
}

}  // namespace

void StackIdentity::Add(const Location& frame) {
  const bool generated = frame.module == kNoModule;
  if (generated && in_generated_code_) return;
  in_generated_code_ = generated;
  hash_.Add(generated ? uint64_t{0} : frame.identity);
  hash_.Add(generated ? uint64_t{0} : frame.offset);
}

void StackIdentity::AddScript(ledger::Language language, uint32_t line, std::string_view file,
                              std::string_view function) {
  hash_.Add(uint64_t{language} << 32 | line);
  hash_.Add(file);
  hash_.Add(function);
}

uint64_t StackIdentity::value() const {
  return hash_.value() != 0 ? hash_.value() : 1;  // 0 marks a record that is not valid yet
}

void CallSites::Use(ledger::Ledger* ledger, Modules* modules,
                    const ledger::ScriptFrameTable* script_frames, std::atomic<uint64_t>* seen,
                    uint32_t seen_count, std::atomic<uint32_t>* by_id, uint32_t by_id_count) {
  ledger_ = ledger;
  modules_ = modules;
  script_frames_ = script_frames;
  seen_ = seen;
  seen_count_ = seen_count;
  by_id_ = by_id;
  by_id_count_ = by_id_count;
  ledger_->MakeRoom(ledger::kCallSites, 1);
  ledger::Store(ledger_->header().call_sites_used, 1u);
}

uint32_t CallSites::Book(const Stack& stack, const LoaderState& loader) {
  const uint32_t site = Look(stack, loader, true);
  if (site == 0) ledger::Count(ledger_->header().unrecorded_stacks);
  return site;
}

bool CallSites::HasRoomForUses() const {
  const ledger::Header& header = ledger_->header();
  const auto half_free = [&](ledger::SectionIndex section, const uint32_t& used) {
    return ledger::Load(used) < ledger_->capacity(section) / 2;
  };
  return half_free(ledger::kCallSites, header.call_sites_used) &&
         half_free(ledger::kFrames, header.frames_used) &&
         half_free(ledger::kScriptFrames, header.script_frames_used) &&
         half_free(ledger::kStrings, header.strings_used);
}

uint32_t CallSites::BookUse(const Stack& stack, const LoaderState& loader, bool may_add) {
  return Look(stack, loader, may_add);
}

uint32_t CallSites::Look(const Stack& stack, const LoaderState& loader, bool may_add) {
  if (stack.count == 0 && stack.script_count == 0) return 0;
  // An object that was unloaded may have left its addresses to another: `removed` keeps the two
  // apart.
  uint64_t hash = HashWords(stack.addresses, stack.count, loader.removed + 1);
  for (uint32_t i = 0; i < stack.script_count; ++i) hash = Mix(hash, stack.script_frames[i]);
  std::atomic<uint64_t>& entry = seen_[hash & (seen_count_ - 1)];
  const uint64_t value = entry.load(std::memory_order_acquire);
  if ((value & ~kSiteMask) == (hash & ~kSiteMask) && (value & kSiteMask) != 0) {
    return static_cast<uint32_t>(value & kSiteMask);
  }
  const uint32_t site = BookNew(stack, loader, may_add);
  if (site == 0) return 0;
  entry.store((hash & ~kSiteMask) | site, std::memory_order_release);
  return site;
}

uint32_t CallSites::BookNew(const Stack& stack, const LoaderState& loader, bool may_add) {
  modules_->Follow(loader);
  uint64_t frames[2 * kMaxDepth];
  uint32_t count = 0;
  StackIdentity identity;
  Location interpreter = {kNoModule, 0, 0};
  if (stack.interpreter != nullptr && !modules_->Locate(&stack.interpreter, 1, &interpreter))
    return 0;
  bool script_added = stack.script_count == 0;
  const auto add_script = [&] {
    for (uint32_t i = 0; i < stack.script_count; ++i) {
      const ledger::ScriptFrame& frame = script_frames_->At(stack.script_frames[i]);
      identity.AddScript(static_cast<ledger::Language>(frame.language), frame.line,
                         script_frames_->Text(frame.file), script_frames_->Text(frame.function));
      frames[count++] = ledger::EncodeFrame(ledger::kFrameScript, stack.script_frames[i]);
    }
    script_added = true;
  };
  // In batches: a host's thread may have a small stack.
  constexpr uint32_t kBatch = 32;
  for (uint32_t begin = 0; begin < stack.count; begin += kBatch) {
    Location locations[kBatch];
    const uint32_t size = std::min(kBatch, stack.count - begin);
    if (!modules_->Locate(stack.addresses + begin, size, locations)) return 0;
    for (uint32_t i = 0; i < size; ++i) {
      if (!script_added && locations[i].module == interpreter.module) add_script();
      if (stack.script_count == 0 || !script_added) identity.Add(locations[i]);
      frames[count++] = Encode(locations[i]);
    }
  }
  if (!script_added) add_script();  // the native walk did not come as far as the interpreter
  const uint64_t id = identity.value();
  uint32_t vacant = 0;
  if (const uint32_t known = Find(id, &vacant)) return known;
  if (!may_add) return 0;
  BoundedLockHolder lock(lock_);
  if (!lock.held()) return 0;
  if (const uint32_t known = Find(id, &vacant)) return known;
  const uint32_t site = Append(id, stack.flags, frames, count);
  if (site != 0) by_id_[vacant].store(site, std::memory_order_release);
  return site;
}

uint32_t CallSites::Find(uint64_t id, uint32_t* vacant) const {
  for (uint32_t probe = 0; probe < by_id_count_; ++probe) {
    const uint32_t index = static_cast<uint32_t>(id + probe) & (by_id_count_ - 1);
    const uint32_t site = by_id_[index].load(std::memory_order_acquire);
    if (site == 0) {
      *vacant = index;
      return 0;
    }
    if (ledger_->At<ledger::CallSite>(ledger::kCallSites, site).id == id) return site;
  }
  return 0;  // cannot be: the table has twice the entries that the section has records
}

uint32_t CallSites::Append(uint64_t id, uint16_t flags, const uint64_t* frames, uint32_t count) {
  ledger::Header& header = ledger_->header();
  const uint32_t site = ledger::Load(header.call_sites_used);
  const uint32_t first = ledger::Load(header.frames_used);
  if (!ledger_->MakeRoom(ledger::kCallSites, site + 1) ||
      !ledger_->MakeRoom(ledger::kFrames, first + count)) {
    return 0;
  }
  memcpy(&ledger_->At<uint64_t>(ledger::kFrames, first), frames, count * sizeof(uint64_t));
  auto& record = ledger_->At<ledger::CallSite>(ledger::kCallSites, site);
  record.first_frame = first;
  record.frame_count = static_cast<uint16_t>(count);
  record.flags = flags;
  ledger::StoreRelease(record.id, id);
  ledger::StoreRelease(header.frames_used, first + count);
  ledger::StoreRelease(header.call_sites_used, site + 1);
  return site;
}

}  // namespace pqleash::stack
