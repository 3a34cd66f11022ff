// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/string_heap.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace pqleash::ledger {
namespace {

constexpr uint32_t kEntries = 256;
constexpr uint32_t kBytes = 4'096;

struct Fixture {
  explicit Fixture(uint32_t bytes = kBytes)
      : entries(kEntries), ledger(new Ledger()), heap(new StringHeap()) {
    const Capacities capacities = {1, 1, 1, 1, 1, 1, bytes, 0, 0};
    EXPECT_TRUE(ledger->Map(-1, capacities));
    heap->Use(ledger.get(), entries.data(), kEntries);
  }
  std::vector<std::atomic<uint64_t>> entries;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<StringHeap> heap;
};

TEST(StringHeap, KeepsOneCopyOfEach) {
  Fixture f;
  const StringRef a = f.heap->Intern("billing");
  const StringRef b = f.heap->Intern("invoices");
  EXPECT_NE(a, 0u);
  EXPECT_NE(a, b);
  EXPECT_EQ(f.heap->Intern("billing"), a);
  EXPECT_EQ(f.heap->Get(a), "billing");
  EXPECT_EQ(f.heap->Get(b), "invoices");
}

TEST(StringHeap, EmptyTextIsNone) {
  Fixture f;
  EXPECT_EQ(f.heap->Intern(""), 0u);
  EXPECT_EQ(f.heap->Get(0), "");
}

TEST(StringHeap, KeepsEveryByte) {
  Fixture f;
  const std::string text("a\0\xff\x1b[31m", 8);
  EXPECT_EQ(f.heap->Get(f.heap->Intern(text)), text);
}

TEST(StringHeap, CutsAtTheMaximum) {
  Fixture f;
  for (const uint32_t size : {kMaxStringSize - 1, kMaxStringSize, kMaxStringSize + 1}) {
    const StringRef reference = f.heap->Intern(std::string(size, 'x'));
    EXPECT_EQ(f.heap->Get(reference).size(), std::min(size, kMaxStringSize));
  }
}

TEST(StringHeap, CountsWhatFindsNoRoom) {
  Fixture f(64);
  EXPECT_NE(f.heap->Intern("fits"), 0u);
  EXPECT_EQ(f.heap->Intern(std::string(100, 'x')), 0u);
  EXPECT_EQ(f.ledger->header().unrecorded_strings, 1u);
  EXPECT_NE(f.heap->Intern("fits"), 0u);
}

TEST(StringHeap, CountsWhatTheTableCannotHold) {
  Fixture f(1 << 20);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < 2 * kEntries; ++i)
    kept += f.heap->Intern("text " + std::to_string(i)) != 0 ? 1 : 0;
  EXPECT_EQ(kept, kEntries / 4 * 3);
  EXPECT_EQ(f.ledger->header().unrecorded_strings, 2 * kEntries - kept);
}

TEST(StringHeap, ThreadsAgree) {
  Fixture f;
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kTexts = 50;
  std::vector<std::vector<StringRef>> seen(kThreads, std::vector<StringRef>(kTexts));
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < kTexts; ++i)
        seen[t][i] = f.heap->Intern("text " + std::to_string(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint32_t t = 1; t < kThreads; ++t) EXPECT_EQ(seen[t], seen[0]);
}

}  // namespace
}  // namespace pqleash::ledger
