// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/targets.h"

#include <string_view>

#include "shim/support/hash.h"

namespace pqleash::ledger {

namespace {

std::string_view View(const char* text) {
  return text != nullptr ? std::string_view(text) : std::string_view();
}

// Digits up to 65535; anything else ('5432,5433' before a host was chosen) is 'not known'.
uint32_t ParsePort(std::string_view text) {
  uint32_t port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return 0;
    port = port * 10 + static_cast<uint32_t>(c - '0');
    if (port > 65'535) return 0;
  }
  return port;
}

bool Same(const Target& a, const Target& b) {
  return a.port == b.port && a.host == b.host && a.dbname == b.dbname && a.user == b.user &&
         a.application_name == b.application_name;
}

}  // namespace

void Targets::Use(Ledger* ledger, StringHeap* strings, std::atomic<uint32_t>* entries,
                  uint32_t entry_count) {
  ledger_ = ledger;
  strings_ = strings;
  entries_ = entries;
  entry_count_ = entry_count;
  Store(ledger_->header().targets_used, 1u);  // number 0 stands for 'not known'
}

uint32_t Targets::Find(const Target& target, uint64_t hash, uint32_t* vacant) const {
  for (uint32_t probe = 0; probe < entry_count_; ++probe) {
    const uint32_t index = static_cast<uint32_t>(hash + probe) & (entry_count_ - 1);
    const uint32_t number = entries_[index].load(std::memory_order_acquire);
    if (number == 0) {
      *vacant = index;
      return 0;
    }
    if (Same(ledger_->At<Target>(kTargets, number), target)) return number;
  }
  return 0;  // cannot be: the table has twice the entries that the section has records
}

uint32_t Targets::Intern(const TargetText& text) {
  Target target = {};
  target.host = strings_->Intern(View(text.host));
  target.port = ParsePort(View(text.port));
  target.dbname = strings_->Intern(View(text.dbname));
  target.user = strings_->Intern(View(text.user));
  target.application_name = strings_->Intern(View(text.application_name));
  uint64_t hash = Mix(target.host, target.dbname);
  hash = Mix(hash, uint64_t{target.user} << 32 | target.application_name);
  hash = Mix(hash, target.port);
  uint32_t vacant = 0;
  if (const uint32_t known = Find(target, hash, &vacant)) return known;

  BoundedLockHolder lock(lock_);
  if (!lock.held()) return 0;
  if (const uint32_t known = Find(target, hash, &vacant)) return known;
  Header& header = ledger_->header();
  const uint32_t number = Load(header.targets_used);
  if (!ledger_->MakeRoom(kTargets, number + 1)) return 0;
  Target& record = ledger_->At<Target>(kTargets, number);
  record = target;
  StoreRelease(record.ready, 1u);
  StoreRelease(header.targets_used, number + 1);
  entries_[vacant].store(number, std::memory_order_release);
  return number;
}

}  // namespace pqleash::ledger
