// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/targets.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace pqleash::ledger {
namespace {

struct Fixture {
  Fixture()
      : strings(64),
        entries(16),
        ledger(new Ledger()),
        heap(new StringHeap()),
        targets(new Targets()) {
    const Capacities capacities = {1, 1, 1, 1, 1, 8, 4096, 0, 0};
    EXPECT_TRUE(ledger->Map(-1, capacities));
    heap->Use(ledger.get(), strings.data(), 64);
    targets->Use(ledger.get(), heap.get(), entries.data(), 16);
  }
  const Target& At(uint32_t number) { return ledger->At<Target>(kTargets, number); }

  std::vector<std::atomic<uint64_t>> strings;
  std::vector<std::atomic<uint32_t>> entries;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<StringHeap> heap;
  std::unique_ptr<Targets> targets;
};

TEST(Targets, AreInterned) {
  Fixture f;
  const uint32_t a = f.targets->Intern({"db7", "5432", "billing", "app", "worker"});
  const uint32_t b = f.targets->Intern({"db7", "5432", "billing", "app", "cron"});
  EXPECT_NE(a, 0u);
  EXPECT_NE(a, b);
  EXPECT_EQ(f.targets->Intern({"db7", "5432", "billing", "app", "worker"}), a);
  EXPECT_EQ(f.At(a).ready, 1u);
  EXPECT_EQ(f.At(a).port, 5432u);
  EXPECT_EQ(f.heap->Get(f.At(a).host), "db7");
  EXPECT_EQ(f.heap->Get(f.At(b).application_name), "cron");
}

TEST(Targets, WhatLibpqDoesNotKnowIsNotKnown) {
  Fixture f;
  const uint32_t number = f.targets->Intern({nullptr, nullptr, nullptr, nullptr, nullptr});
  EXPECT_NE(number, 0u);
  EXPECT_EQ(f.At(number).host, 0u);
}

TEST(Targets, APortIsANumberOrNotKnown) {
  struct Case {
    const char* text;
    uint32_t port;
  };
  Fixture f;
  for (const Case& c : {Case{"1", 1}, Case{"65535", 65535}, Case{"65536", 0}, Case{"5432,5433", 0},
                        Case{"", 0}, Case{"-1", 0}, Case{"99999999999", 0}}) {
    EXPECT_EQ(f.At(f.targets->Intern({"h", c.text, "d", "u", ""})).port, c.port) << c.text;
  }
}

TEST(Targets, BeyondTheCapacityTheTargetIsNotKnown) {
  Fixture f;
  for (int i = 1; i < 8; ++i)
    EXPECT_EQ(f.targets->Intern({std::to_string(i).c_str(), "", "", "", ""}), i);
  EXPECT_EQ(f.targets->Intern({"one more", "", "", "", ""}), 0u);
  EXPECT_EQ(f.targets->Intern({"1", "", "", "", ""}), 1u);
}

}  // namespace
}  // namespace pqleash::ledger
