// SPDX-License-Identifier: Apache-2.0
//
// A board in the test's own memory and a clock that the test moves.

#ifndef PQLEASH_TESTS_SHIM_BOARD_FIXTURE_H_
#define PQLEASH_TESTS_SHIM_BOARD_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "shim/caps/board.h"
#include "shim/support/liveness.h"
#include "shim/support/text.h"

namespace pqleash::caps {

inline void PrintTo(Answer answer, std::ostream* out) {
  static const char* const kNames[] = {"go", "wait", "refused", "timed out", "uncounted"};
  *out << kNames[static_cast<uint32_t>(answer) % 5];
}

namespace testing {

inline constexpr uint64_t kMs = 1'000'000;
inline constexpr uint64_t kSecond = 1'000 * kMs;

constexpr uint64_t Bit(uint32_t number) { return uint64_t{1} << number; }

inline Policy CapOf(const std::string& name, uint32_t limit, OnLimit on_limit) {
  Policy policy = {};
  CopyText(name.c_str(), policy.name);
  policy.kind = kCap;
  policy.scope = kScopeUser;
  policy.rule.limit = limit;
  policy.rule.on_limit = on_limit;
  policy.rule.wait_timeout_ms = 10'000;
  return policy;
}

inline Policy PaceOf(const std::string& name, uint64_t interval_ns, uint32_t burst) {
  Policy policy = CapOf(name, 0, kWait);
  policy.kind = kPace;
  policy.rule.interval_ns = interval_ns;
  policy.rule.burst = burst;
  return policy;
}

inline Policy BackoffOf(const std::string& name) {
  Policy policy = PaceOf(name, 0, 1);
  policy.rule.on_server_full = kFullBackoff;
  return policy;
}

inline MemberIdentity IdentityOf(pid_t pid) {
  const ProcessMarks marks = ReadMarks(pid);
  return {pid, marks.start_ticks, marks.stack_start, "test", ""};
}

// Memory that forked processes share.
class SharedMemory {
 public:
  explicit SharedMemory(size_t size)
      : size_(size),
        begin_(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  ~SharedMemory() { munmap(begin_, size_); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  void* begin() const { return begin_; }
  size_t size() const { return size_; }

 private:
  size_t size_;
  void* begin_;
};

// What must hold on every board whose lock is free: use, waiting and the lists follow from the
// entries. Returns what does not; empty: all is well.
inline std::string Contradiction(const Board& board) {
  uint32_t use[kMaxPolicies] = {};
  uint32_t waiting[kMaxPolicies] = {};
  std::set<uint32_t> waits;
  uint32_t free = 0;
  for (uint32_t i = 1; i <= board.entries_used(); ++i) {
    const Entry& entry = board.entry(i);
    const uint32_t state = StateOf(entry.word);
    if (state == kEntryFree) ++free;
    if (state == kEntryWaiting) waits.insert(i);
    for (uint32_t p = 0; p < kMaxPolicies; ++p) {
      if ((entry.policies & Bit(p)) == 0) continue;
      if (state == kEntryHeld || state == kEntryGranted) ++use[p];
      if (state == kEntryWaiting && (entry.flags & kEntryPassed) == 0) ++waiting[p];
    }
  }
  for (uint32_t p = 0; p < kMaxPolicies; ++p) {
    const Record& record = board.record(p);
    const std::string policy = "policy " + std::to_string(p);
    if (record.use != use[p])
      return policy + " use " + std::to_string(record.use) + ", entries " + std::to_string(use[p]);
    if (record.waiting != waiting[p])
      return policy + " waiting " + std::to_string(record.waiting) + ", entries " +
             std::to_string(waiting[p]);
  }
  uint64_t ticket = 0;
  size_t listed = 0;
  for (uint32_t i = board.header().first_waiting; i != kNoEntry; i = board.entry(i).next) {
    if (waits.count(i) == 0) return "entry " + std::to_string(i) + " is listed and does not wait";
    if (board.entry(i).ticket <= ticket) return "not in the order of the tickets";
    ticket = board.entry(i).ticket;
    if (++listed > waits.size()) return "the list has no end";
  }
  if (listed != waits.size()) return "the list is incomplete";
  uint32_t freed = 0;
  for (uint32_t i = board.header().first_free_entry; i != kNoEntry; i = board.entry(i).next) {
    if (StateOf(board.entry(i).word) != kEntryFree) return "a free one is in use";
    if (++freed > free) return "the free list has no end";
  }
  return freed == free ? "" : std::to_string(free - freed) + " free entries are lost";
}

class BoardTest : public ::testing::Test {
 protected:
  static constexpr BoardCapacity kCapacity = {8, 16, 64};

  explicit BoardTest(const BoardCapacity& capacity = kCapacity)
      : memory_(Board::Size(capacity)), created_(Make(capacity)) {}

  void TearDown() override {
    if (check_at_end_) {
      EXPECT_EQ(Contradiction(board_), "");
    }
  }

  uint32_t Install(const Policy& policy, const char* service = "", uint64_t stamp = 1) {
    bool differs = false;
    return board_.Install(policy, service, kFromConfig, 0, stamp, now_, &differs);
  }
  uint32_t Cap(uint32_t limit, OnLimit on_limit) {
    return Install(CapOf("cap" + std::to_string(++names_), limit, on_limit));
  }

  Request Ask(uint64_t policies) const {
    return {.member = member_,
            .policies = policies,
            .label = kNoEntry,
            .slot = 0,
            .now = now_,
            .deadline = 0,
            .may_wait = true,
            .parked = false};
  }
  Outcome Connect(uint64_t policies) { return board_.Enter(Ask(policies)); }
  Outcome Look(const Outcome& before) { return board_.Look(before, now_); }
  void Close(const Outcome& outcome) { board_.Withdraw(outcome.entry, outcome.ticket, now_); }
  // As many at once.
  std::vector<Outcome> Fill(uint64_t policies, uint32_t count) {
    std::vector<Outcome> held;
    for (uint32_t i = 0; i < count; ++i) {
      held.push_back(Connect(policies));
      EXPECT_EQ(held.back().answer, Answer::kGo) << i;
    }
    return held;
  }
  EntryState State(const Outcome& outcome) const {
    return static_cast<EntryState>(StateOf(board_.entry(outcome.entry).word));
  }
  const Record& record(uint32_t number) const { return board_.record(number); }

  SharedMemory memory_;
  Board board_;
  uint64_t now_ = 1'000 * kSecond;
  uint32_t member_ = kNoEntry;
  bool check_at_end_ = true;

 private:
  bool Make(const BoardCapacity& capacity) {
    const bool made = board_.Create(memory_.begin(), capacity, true, {}, nullptr);
    member_ = board_.Join(IdentityOf(getpid()), now_);
    return made;
  }

  bool created_;
  int names_ = 0;
};

}  // namespace testing
}  // namespace pqleash::caps

#endif  // PQLEASH_TESTS_SHIM_BOARD_FIXTURE_H_
