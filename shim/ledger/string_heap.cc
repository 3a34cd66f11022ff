// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/string_heap.h"

#include <cstring>

#include "shim/support/hash.h"

namespace pqleash::ledger {

namespace {

constexpr uint32_t kFirstReference = 8;  // so that no string has reference 0

uint64_t HashText(std::string_view text) {
  uint64_t hash = text.size();
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    memcpy(&word, text.data() + i, 8);
    hash = Mix(hash, word);
  }
  uint64_t rest = 0;
  if (i < text.size()) memcpy(&rest, text.data() + i, text.size() - i);
  return Mix(hash, rest);
}

constexpr uint64_t kHashMask = 0xffffffff00000000;

}  // namespace

void StringHeap::Use(Ledger* ledger, std::atomic<uint64_t>* entries, uint32_t entry_count) {
  ledger_ = ledger;
  entries_ = entries;
  entry_count_ = entry_count;
  Store(ledger_->header().strings_used, kFirstReference);
}

std::string_view StringHeap::Get(StringRef reference) const {
  if (reference == 0) return {};
  const auto& string = reinterpret_cast<const String&>(ledger_->At<char>(kStrings, reference));
  return {reinterpret_cast<const char*>(&string + 1), string.size};
}

StringRef StringHeap::Find(std::string_view text, uint64_t hash, uint32_t* vacant) const {
  for (uint32_t probe = 0; probe < entry_count_; ++probe) {
    const uint32_t index = static_cast<uint32_t>(hash + probe) & (entry_count_ - 1);
    const uint64_t entry = entries_[index].load(std::memory_order_acquire);
    if (entry == 0) {
      *vacant = index;
      return 0;
    }
    const auto reference = static_cast<StringRef>(entry);
    if ((entry & kHashMask) == (hash & kHashMask) && Get(reference) == text) return reference;
  }
  *vacant = entry_count_;
  return 0;
}

StringRef StringHeap::Find(std::string_view text) const {
  text = text.substr(0, kMaxStringSize);
  uint32_t vacant;
  return text.empty() ? 0 : Find(text, HashText(text), &vacant);
}

StringRef StringHeap::Append(std::string_view text) {
  Header& header = ledger_->header();
  const uint32_t reference = Load(header.strings_used);
  const auto size = static_cast<uint32_t>(sizeof(String) + text.size() + 1);
  const uint32_t next = reference + (size + 3) / 4 * 4;
  if (!ledger_->MakeRoom(kStrings, next)) return 0;
  auto& string = reinterpret_cast<String&>(ledger_->At<char>(kStrings, reference));
  string.size = static_cast<uint32_t>(text.size());
  memcpy(&string + 1, text.data(),
         text.size());  // the NUL behind it is there: pages begin as zeros
  StoreRelease(header.strings_used, next);
  return reference;
}

StringRef StringHeap::Intern(std::string_view text) {
  if (text.empty()) return 0;
  text = text.substr(0, kMaxStringSize);
  const uint64_t hash = HashText(text);
  uint32_t vacant;
  if (const StringRef known = Find(text, hash, &vacant)) return known;

  BoundedLockHolder lock(lock_);
  if (lock.held() && used_entries_ < entry_count_ / 4 * 3) {
    // Another thread may have been faster.
    if (const StringRef known = Find(text, hash, &vacant)) return known;
    if (const StringRef reference = Append(text)) {
      entries_[vacant].store((hash & kHashMask) | reference, std::memory_order_release);
      ++used_entries_;
      return reference;
    }
  }
  Count(ledger_->header().unrecorded_strings);
  return 0;
}

}  // namespace pqleash::ledger
