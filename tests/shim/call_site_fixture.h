// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_SHIM_CALL_SITE_FIXTURE_H_
#define PQLEASH_TESTS_SHIM_CALL_SITE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "shim/stack/call_sites.h"

namespace pqleash::stack {

// Modules and call sites of this process over a ledger in memory.
struct CallSiteFixture {
  explicit CallSiteFixture(uint32_t site_capacity = 16, uint32_t module_capacity = 256)
      : string_entries(1024),
        seen(64),
        by_id(64),
        script_entries(64),
        ledger(new ledger::Ledger()),
        strings(new ledger::StringHeap()),
        script_frames(new ledger::ScriptFrameTable()),
        modules(new Modules()),
        call_sites(new CallSites()) {
    const ledger::Capacities capacities = {1, site_capacity, 4'096, 16, module_capacity,
                                           1, 64 * 1024};
    EXPECT_TRUE(ledger->Map(-1, capacities));
    strings->Use(ledger.get(), string_entries.data(), 1024);
    script_frames->Use(ledger.get(), strings.get(), script_entries.data(), 64);
    modules->Use(ledger.get(), strings.get());
    call_sites->Use(ledger.get(), modules.get(), script_frames.get(), seen.data(), 64, by_id.data(),
                    64);
  }

  const ledger::Module& ModuleAt(uint32_t number) const {
    return ledger->At<ledger::Module>(ledger::kModules, number);
  }
  const ledger::CallSite& SiteAt(uint32_t number) const {
    return ledger->At<ledger::CallSite>(ledger::kCallSites, number);
  }

  std::vector<std::atomic<uint64_t>> string_entries;
  std::vector<std::atomic<uint64_t>> seen;
  std::vector<std::atomic<uint32_t>> by_id;
  std::vector<std::atomic<uint32_t>> script_entries;
  std::unique_ptr<ledger::Ledger> ledger;
  std::unique_ptr<ledger::StringHeap> strings;
  std::unique_ptr<ledger::ScriptFrameTable> script_frames;
  std::unique_ptr<Modules> modules;
  std::unique_ptr<CallSites> call_sites;
};

}  // namespace pqleash::stack

#endif  // PQLEASH_TESTS_SHIM_CALL_SITE_FIXTURE_H_
