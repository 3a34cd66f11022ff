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
  strings_ = strings;
  table_.Use(ledger, entries, entry_count);
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
  return table_.Intern(target, hash, Same, [](Target& place) { StoreRelease(place.ready, 1u); });
}

}  // namespace pqleash::ledger
