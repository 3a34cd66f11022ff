// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/call_sites.h"

#include <algorithm>

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

uint64_t StackIdentity::value() const {
  return hash_.value() != 0 ? hash_.value() : 1;  // 0 marks a record that is not valid yet
}

void CallSites::Use(ledger::Ledger* ledger, Modules* modules, std::atomic<uint64_t>* seen,
                    uint32_t seen_count, std::atomic<uint32_t>* by_id, uint32_t by_id_count) {
  ledger_ = ledger;
  modules_ = modules;
  seen_ = seen;
  seen_count_ = seen_count;
  by_id_ = by_id;
  by_id_count_ = by_id_count;
  ledger_->MakeRoom(ledger::kCallSites, 1);
  ledger::Store(ledger_->header().call_sites_used, 1u);
}

uint32_t CallSites::Book(const Stack& stack, const LoaderState& loader) {
  if (stack.count == 0) {
    ledger::Count(ledger_->header().unrecorded_stacks);
    return 0;
  }
  // An object that was unloaded may have left its addresses to another: `removed` keeps the two
  // apart.
  const uint64_t hash = HashWords(stack.addresses, stack.count, loader.removed + 1);
  std::atomic<uint64_t>& entry = seen_[hash & (seen_count_ - 1)];
  const uint64_t value = entry.load(std::memory_order_acquire);
  if ((value & ~kSiteMask) == (hash & ~kSiteMask) && (value & kSiteMask) != 0) {
    return static_cast<uint32_t>(value & kSiteMask);
  }
  const uint32_t site = BookNew(stack, loader);
  if (site == 0) {
    ledger::Count(ledger_->header().unrecorded_stacks);
    return 0;
  }
  entry.store((hash & ~kSiteMask) | site, std::memory_order_release);
  return site;
}

uint32_t CallSites::BookNew(const Stack& stack, const LoaderState& loader) {
  modules_->Follow(loader);
  // In batches: a host's thread may have a small stack.
  constexpr uint32_t kBatch = 32;
  uint64_t frames[kMaxDepth];
  StackIdentity identity;
  for (uint32_t begin = 0; begin < stack.count; begin += kBatch) {
    Location locations[kBatch];
    const uint32_t size = std::min(kBatch, stack.count - begin);
    if (!modules_->Locate(stack.addresses + begin, size, locations)) return 0;
    for (uint32_t i = 0; i < size; ++i) {
      identity.Add(locations[i]);
      frames[begin + i] = Encode(locations[i]);
    }
  }
  const uint64_t id = identity.value();
  uint32_t vacant = 0;
  if (const uint32_t known = Find(id, &vacant)) return known;
  BoundedLockHolder lock(lock_);
  if (!lock.held()) return 0;
  if (const uint32_t known = Find(id, &vacant)) return known;
  const uint32_t site = Append(id, stack, frames);
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

uint32_t CallSites::Append(uint64_t id, const Stack& stack, const uint64_t* frames) {
  ledger::Header& header = ledger_->header();
  const uint32_t site = ledger::Load(header.call_sites_used);
  const uint32_t first = ledger::Load(header.frames_used);
  if (!ledger_->MakeRoom(ledger::kCallSites, site + 1) ||
      !ledger_->MakeRoom(ledger::kFrames, first + stack.count)) {
    return 0;
  }
  for (uint32_t i = 0; i < stack.count; ++i) {
    ledger_->At<uint64_t>(ledger::kFrames, first + i) = frames[i];
  }
  auto& record = ledger_->At<ledger::CallSite>(ledger::kCallSites, site);
  record.first_frame = first;
  record.frame_count = static_cast<uint16_t>(stack.count);
  record.flags = stack.flags;
  ledger::StoreRelease(record.id, id);
  ledger::StoreRelease(header.frames_used, first + stack.count);
  ledger::StoreRelease(header.call_sites_used, site + 1);
  return site;
}

}  // namespace pqleash::stack
