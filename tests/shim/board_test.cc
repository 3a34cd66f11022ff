// SPDX-License-Identifier: Apache-2.0
//
// Connects on a board, one after the other.

#include "shim/caps/board.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "shim/caps/holders.h"
#include "shim/support/clock.h"
#include "tests/shim/board_fixture.h"

namespace pqleash::caps {
namespace {

using testing::BackoffOf;
using testing::Bit;
using testing::BoardTest;
using testing::CapOf;
using testing::IdentityOf;
using testing::kMs;
using testing::kSecond;
using testing::PaceOf;

// A process that has a member on the board, and is killed.
class Mortal {
 public:
  Mortal() : pid_(fork()) {
    if (pid_ == 0) {
      pause();
      _exit(0);
    }
  }
  ~Mortal() { Kill(); }
  Mortal(const Mortal&) = delete;
  Mortal& operator=(const Mortal&) = delete;
  pid_t pid() const { return pid_; }
  void Kill() {
    if (ended_) return;
    ended_ = true;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_;
  bool ended_ = false;
};

TEST_F(BoardTest, ACapCountsUpToItsLimitAndBackDown) {
  const struct {
    OnLimit on_limit;
    Answer beyond;
  } cases[] = {{kWarn, Answer::kGo}, {kWait, Answer::kWait}, {kReject, Answer::kRefused}};
  for (const auto& each : cases) {
    const uint32_t cap = Cap(3, each.on_limit);
    SCOPED_TRACE(cap);
    auto held = Fill(Bit(cap), 2);
    EXPECT_EQ(record(cap).entered_ns, 0u);
    held.push_back(Connect(Bit(cap)));  // the limit itself
    EXPECT_EQ(held.back().answer, Answer::kGo);
    EXPECT_EQ(held.back().policy, kNoPolicyNumber);
    EXPECT_EQ(board_.use(cap), 3u);
    const Outcome beyond = Connect(Bit(cap));
    EXPECT_EQ(beyond.answer, each.beyond);
    EXPECT_EQ(beyond.policy, cap);
    EXPECT_TRUE(beyond.entered);
    if (beyond.entry != kNoEntry) Close(beyond);
    Close(held.back());
    EXPECT_EQ(board_.use(cap), 2u);
    held.back() = Connect(Bit(cap));
    EXPECT_EQ(held.back().answer, Answer::kGo);
    EXPECT_EQ(held.back().policy, kNoPolicyNumber);
    for (const Outcome& outcome : held) Close(outcome);
    EXPECT_EQ(board_.use(cap), 0u);
    EXPECT_EQ(record(cap).peak, each.on_limit == kWarn ? 4u : 3u);
  }
}

TEST_F(BoardTest, CountsSayWhatHappened) {
  const uint32_t warn = Cap(1, kWarn);
  const uint32_t reject = Cap(1, kReject);
  const uint32_t wait = Cap(1, kWait);
  for (int i = 0; i < 4; ++i) {
    Connect(Bit(warn));
    Connect(Bit(reject));
  }
  EXPECT_EQ(record(warn).admitted, 4u);
  EXPECT_EQ(record(warn).warned, 3u);
  EXPECT_EQ(record(reject).admitted, 1u);
  EXPECT_EQ(record(reject).refused, 3u);
  const Outcome first = Connect(Bit(wait));
  const Outcome second = Connect(Bit(wait));
  const Outcome third = Connect(Bit(wait));
  now_ += 5 * kMs;
  Close(first);
  EXPECT_EQ(Look(second).answer, Answer::kGo);
  EXPECT_EQ(Look(third).answer, Answer::kWait);
  now_ += 10 * kSecond;
  EXPECT_EQ(Look(third).answer, Answer::kTimedOut);
  EXPECT_EQ(record(wait).admitted, 2u);
  EXPECT_EQ(record(wait).waited, 1u);
  EXPECT_EQ(record(wait).timed_out, 1u);
  EXPECT_EQ(std::accumulate(std::begin(record(wait).wait.buckets),
                            std::end(record(wait).wait.buckets), uint64_t{0}),
            2u);
  EXPECT_EQ(record(wait).longest_wait_ns, 10'005 * kMs);
}

TEST_F(BoardTest, BeyondMaxWaitingAConnectIsRefusedAtOnce) {
  Policy policy = CapOf("cap", 1, kWait);
  policy.rule.max_waiting = 2;
  const uint32_t cap = Install(policy);
  const Outcome held = Connect(Bit(cap));
  const Outcome first = Connect(Bit(cap));
  EXPECT_EQ(first.answer, Answer::kWait);
  EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kWait);
  EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kRefused);
  Close(first);
  EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kWait);
  Close(held);
  EXPECT_EQ(record(cap).refused, 1u);
}

TEST_F(BoardTest, ThoseWhoWaitGoInTheOrderOfTheirArrival) {
  const uint32_t cap = Cap(2, kWait);
  auto held = Fill(Bit(cap), 2);
  std::vector<Outcome> waiting;
  for (int i = 0; i < 10; ++i) waiting.push_back(Connect(Bit(cap)));
  uint64_t ticket = 0;
  for (size_t i = 0; i < waiting.size(); ++i) {
    EXPECT_GT(waiting[i].ticket, ticket);
    ticket = waiting[i].ticket;
    now_ += kMs;
    Close(held[i]);
    for (size_t later = i; later < waiting.size(); ++later)
      EXPECT_EQ(Look(waiting[later]).answer, later == i ? Answer::kGo : Answer::kWait) << i;
    held.push_back(waiting[i]);
    EXPECT_EQ(record(cap).last_ticket, ticket);
    EXPECT_EQ(board_.use(cap), 2u);
  }
}

TEST_F(BoardTest, ANewcomerDoesNotOvertake) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  const Outcome first = Connect(Bit(cap));
  const Outcome second = Connect(Bit(cap));
  Close(held);
  Close(first);  // granted, and gives it back
  Request hurry = Ask(Bit(cap));
  hurry.may_wait = false;
  EXPECT_EQ(board_.Enter(hurry).answer, Answer::kRefused);
  EXPECT_EQ(Look(second).answer, Answer::kGo);
}

TEST_F(BoardTest, AConnectOfTwoCapsWaitsForBothAndHoldsItsPlaceInBothQueues) {
  const uint32_t full = Cap(1, kWait);
  const uint32_t free = Cap(1, kWait);
  const Outcome held = Connect(Bit(full));
  const Outcome both = Connect(Bit(full) | Bit(free));
  EXPECT_EQ(both.answer, Answer::kWait);
  EXPECT_EQ(both.policy, full);
  EXPECT_EQ(board_.use(free), 0u) << "it takes nothing while it waits";
  const Outcome behind = Connect(Bit(free));
  EXPECT_EQ(behind.answer, Answer::kWait) << "the place of `both` is not to be taken from it";
  EXPECT_EQ(behind.policy, free);
  Close(held);
  EXPECT_EQ(State(both), kEntryGranted);
  EXPECT_EQ(State(behind), kEntryWaiting);
  Close(both);
  EXPECT_EQ(State(behind), kEntryGranted);
}

TEST_F(BoardTest, WhoWaitsAtANarrowCapDoesNotHoldUpAWideOne) {
  const uint32_t narrow = Cap(2, kWait);
  const uint32_t wide = Cap(10, kWait);
  const auto of_both = Fill(Bit(narrow) | Bit(wide), 2);
  std::vector<Outcome> waiting;
  for (int i = 0; i < 20; ++i) waiting.push_back(Connect(Bit(narrow) | Bit(wide)));
  // 8 places are left, and 2 are kept: as many as the narrow cap can let go.
  const auto others = Fill(Bit(wide), 6);
  const Outcome late = Connect(Bit(wide));
  EXPECT_EQ(late.answer, Answer::kWait);
  EXPECT_EQ(late.policy, wide);
  EXPECT_EQ(board_.use(wide), 8u);
  // Who leaves the narrow cap leaves his place in the wide one, too.
  for (size_t i = 0; i < 20; ++i) {
    Close(i < 2 ? of_both[i] : waiting[i - 2]);
    EXPECT_EQ(State(waiting[i]), kEntryGranted) << "no later one is in its way: " << i;
  }
  EXPECT_EQ(State(late), kEntryGranted) << "nobody is left for whom a place would be kept";
}

// Those who hold the narrow cap have no place in the wide one to leave.
TEST_F(BoardTest, APlaceIsThereInTheWideCapWhenTheNarrowOneLetsGo) {
  const uint32_t narrow = Cap(2, kWait);
  const uint32_t wide = Cap(4, kWait);
  const auto of_narrow = Fill(Bit(narrow), 2);
  const Outcome first = Connect(Bit(narrow) | Bit(wide));
  const Outcome second = Connect(Bit(narrow) | Bit(wide));
  std::vector<Outcome> crowd;
  for (int i = 0; i < 8; ++i) crowd.push_back(Connect(Bit(wide)));
  EXPECT_EQ(board_.use(wide), 2u);
  for (const Outcome& each : of_narrow) Close(each);
  EXPECT_EQ(State(first), kEntryGranted);
  EXPECT_EQ(State(second), kEntryGranted);
  EXPECT_EQ(board_.use(wide), 4u);
}

TEST_F(BoardTest, ANarrowCapWithinTwoWideOnesKeepsPlacesInBoth) {
  const uint32_t narrow = Cap(1, kWait);
  const uint32_t a = Cap(3, kWait);
  const uint32_t b = Cap(2, kWait);
  const Outcome held = Connect(Bit(narrow));
  const Outcome all = Connect(Bit(narrow) | Bit(a) | Bit(b));
  const auto of_a = Fill(Bit(a), 2);
  const auto of_b = Fill(Bit(b), 1);
  EXPECT_EQ(Connect(Bit(a)).answer, Answer::kWait);
  EXPECT_EQ(Connect(Bit(b)).answer, Answer::kWait);
  Close(held);
  EXPECT_EQ(State(all), kEntryGranted);
}

TEST_F(BoardTest, AnotherPolicyOfSomebodyAheadHoldsBackNobodyIfItOnlyWarnsOrRejects) {
  for (const OnLimit everybody : {kWarn, kReject}) {
    const uint32_t all = Cap(10, everybody);
    const uint32_t one = Cap(1, kWait);
    const uint32_t two = Cap(1, kWait);
    const Outcome of_one = Connect(Bit(all) | Bit(one));
    const Outcome of_two = Connect(Bit(all) | Bit(two));
    const Outcome waits_one = Connect(Bit(all) | Bit(one));
    const Outcome waits_two = Connect(Bit(all) | Bit(two));
    EXPECT_EQ(waits_one.answer, Answer::kWait);
    EXPECT_EQ(waits_two.answer, Answer::kWait);
    Close(of_two);
    EXPECT_EQ(State(waits_two), kEntryGranted) << everybody;
    EXPECT_EQ(State(waits_one), kEntryWaiting);
    Close(of_one);
    EXPECT_EQ(State(waits_one), kEntryGranted);
    for (const Outcome& each : {waits_one, waits_two}) Close(each);
  }
}

TEST_F(BoardTest, ACapThatIsFullAndRejectsHoldsBackWhoWaitsForAnother) {
  const uint32_t rejects = Cap(1, kReject);
  const uint32_t waits = Cap(1, kWait);
  const Outcome held = Connect(Bit(waits));
  const Outcome both = Connect(Bit(rejects) | Bit(waits));
  EXPECT_EQ(both.answer, Answer::kWait);
  const Outcome quick = Connect(Bit(rejects));
  EXPECT_EQ(quick.answer, Answer::kGo);
  Close(held);
  EXPECT_EQ(Look(both).answer, Answer::kWait);
  Close(quick);
  EXPECT_EQ(Look(both).answer, Answer::kGo);
}

TEST_F(BoardTest, ItsTimeIsOverExactlyAtItsDeadline) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  const Outcome waiting = Connect(Bit(cap));
  now_ += 10 * kSecond - 1;
  EXPECT_EQ(Look(waiting).answer, Answer::kWait);
  EXPECT_EQ(Look(waiting).look_again_ns, now_ + 1);
  ++now_;
  const Outcome over = Look(waiting);
  EXPECT_EQ(over.answer, Answer::kTimedOut);
  EXPECT_EQ(over.policy, cap);
  EXPECT_EQ(over.waited_ns, 10 * kSecond);
  EXPECT_EQ(Look(waiting).answer, Answer::kTimedOut) << "it goes on saying so";
  Close(held);
}

TEST_F(BoardTest, RoomAtTheDeadlineOrBeyondItIsStillTaken) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  const Outcome waiting = Connect(Bit(cap));
  now_ += 11 * kSecond;
  Close(held);
  EXPECT_EQ(Look(waiting).answer, Answer::kGo);
  EXPECT_EQ(Look(waiting).answer, Answer::kGo) << "it goes on saying so";

  const uint32_t pace = Install(PaceOf("pace", 10 * kSecond, 1));
  EXPECT_EQ(Connect(Bit(pace)).answer, Answer::kGo);
  const Outcome paced = Connect(Bit(pace));
  now_ += 10 * kSecond;  // there is room and the time is over, both at this moment
  EXPECT_EQ(Look(paced).answer, Answer::kGo);
}

TEST_F(BoardTest, TheShortestOfTheTimeOutsCounts) {
  Policy brief = CapOf("brief", 1, kWait);
  brief.rule.wait_timeout_ms = 50;
  const uint64_t both = Bit(Install(brief)) | Bit(Cap(1, kWait));
  Connect(both);
  const Outcome of_policy = Connect(both);
  Request request = Ask(both);
  request.deadline = now_ + 20 * kMs;
  const Outcome of_request = board_.Enter(request);
  request.deadline = now_;
  EXPECT_EQ(board_.Enter(request).answer, Answer::kTimedOut);
  now_ += 20 * kMs;
  EXPECT_EQ(Look(of_request).answer, Answer::kTimedOut);
  EXPECT_EQ(Look(of_policy).answer, Answer::kWait);
  now_ += 30 * kMs;
  EXPECT_EQ(Look(of_policy).answer, Answer::kTimedOut);
}

TEST_F(BoardTest, WhoMayNotWaitIsRefused) {
  const uint32_t cap = Cap(1, kWait);
  Request request = Ask(Bit(cap));
  request.may_wait = false;
  EXPECT_EQ(board_.Enter(request).answer, Answer::kGo);
  const Outcome outcome = board_.Enter(request);
  EXPECT_EQ(outcome.answer, Answer::kRefused);
  EXPECT_EQ(outcome.policy, cap);
}

TEST_F(BoardTest, AParkedConnectIsToldByTheWordOfItsProcess) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  Request request = Ask(Bit(cap));
  request.parked = true;
  const Outcome parked = board_.Enter(request);
  const uint32_t before = *board_.WakeWord(member_);
  Close(held);
  EXPECT_NE(*board_.WakeWord(member_), before);
  EXPECT_EQ(Look(parked).answer, Answer::kGo);
  EXPECT_EQ(board_.WakeWord(kNoEntry), nullptr);
}

TEST_F(BoardTest, ARaisedLimitLetsAsManyGoAndALoweredOneNone) {
  const uint32_t cap = Cap(1, kWait);
  auto held = Fill(Bit(cap), 1);
  std::vector<Outcome> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(Connect(Bit(cap)));
  Rule rule = record(cap).rule;
  rule.limit = 3;
  const uint32_t generation = board_.generation();
  ASSERT_TRUE(board_.Override(cap, rule, 4711, now_));
  EXPECT_NE(board_.generation(), generation);
  EXPECT_EQ(State(waiting[1]), kEntryGranted);
  EXPECT_EQ(State(waiting[2]), kEntryWaiting);
  EXPECT_EQ(record(cap).changed_by, 4711u);
  EXPECT_EQ(record(cap).before.limit, 1u);
  EXPECT_TRUE(board_.Announce(cap));
  EXPECT_FALSE(board_.Announce(cap));
  ASSERT_TRUE(board_.Reset(cap, 4712, now_));
  EXPECT_TRUE(board_.Announce(cap));
  Close(held[0]);
  Close(waiting[0]);
  EXPECT_EQ(State(waiting[2]), kEntryWaiting) << "one is held, as many as the limit";
  Close(waiting[1]);
  EXPECT_EQ(State(waiting[2]), kEntryGranted);
}

TEST_F(BoardTest, AFasterPaceForgivesWhatWasTakenAtTheSlowerOne) {
  const uint32_t pace = Install(PaceOf("pace", 3'600 * kSecond, 1));
  Connect(Bit(pace));
  const Outcome waiting = Connect(Bit(pace));
  Rule rule = record(pace).rule;
  rule.interval_ns = 10 * kMs;
  board_.Override(pace, rule, 1, now_);
  now_ += 10 * kMs;
  EXPECT_EQ(Look(waiting).answer, Answer::kGo);
}

TEST_F(BoardTest, AChangedPolicyLetsThoseGoWhoWaitForNothingElse) {
  const struct {
    const char* what;
    EntryState then;
  } cases[] = {{"retired", kEntryGranted}, {"warns", kEntryGranted}, {"rejects", kEntryWaiting}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.what);
    const uint32_t other = Cap(1, kWait);
    const uint32_t cap = Cap(1, kWait);
    const Outcome of_other = Connect(Bit(other));
    const Outcome held = Connect(Bit(cap));
    const Outcome both = Connect(Bit(other) | Bit(cap));
    const Outcome waiting = Connect(Bit(cap));
    Rule rule = record(cap).rule;
    if (each.what == std::string("retired")) {
      board_.Retire(cap, now_);
    } else {
      rule.on_limit = each.what == std::string("warns") ? kWarn : kReject;
      board_.Override(cap, rule, 1, now_);
    }
    EXPECT_EQ(State(waiting), each.then);
    EXPECT_EQ(State(both), kEntryWaiting);
    Close(held);
    EXPECT_EQ(State(waiting), kEntryGranted);
    EXPECT_EQ(State(both), kEntryWaiting);
    Close(waiting);
    Close(of_other);
    EXPECT_EQ(State(both), kEntryGranted);
    Close(both);
  }
}

TEST_F(BoardTest, ARetiredPolicyCannotBeChangedAndItsNumberIsUsedAgainOnceNobodyHasIt) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  board_.Retire(cap, now_);
  EXPECT_FALSE(board_.Override(cap, record(cap).rule, 1, now_));
  EXPECT_FALSE(board_.Reset(cap, 1, now_));
  const Outcome unaware = Connect(Bit(cap));
  EXPECT_EQ(unaware.answer, Answer::kGo);
  EXPECT_EQ(unaware.policy, kNoPolicyNumber) << "nothing to warn of";
  Close(unaware);
  EXPECT_NE(Cap(1, kWait), cap) << "its bit is still in use";
  Close(held);
  EXPECT_EQ(Cap(1, kWait), cap);
}

TEST_F(BoardTest, AnEarlierDeadlineHoldsForWhoStillWaits) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  const Outcome granted = Connect(Bit(cap));
  const Outcome waiting = Connect(Bit(cap));
  now_ += kSecond;
  Close(held);
  for (const Outcome& each : {granted, waiting}) {
    board_.Shorten(each.entry, each.ticket + 1, now_);  // of an earlier use of the entry
    board_.Shorten(each.entry, each.ticket, now_ + kSecond);
    board_.Shorten(each.entry, each.ticket, now_ + 2 * kSecond);
  }
  const Outcome let_go = Look(granted);
  EXPECT_EQ(let_go.answer, Answer::kGo);
  EXPECT_EQ(let_go.waited_ns, kSecond);
  now_ += kSecond - 1;
  EXPECT_EQ(Look(waiting).answer, Answer::kWait);
  now_ += 1;
  EXPECT_EQ(Look(waiting).answer, Answer::kTimedOut);
  EXPECT_EQ(record(cap).timed_out, 1u);
}

TEST_F(BoardTest, TheNewestFileWins) {
  bool differs;
  const auto install = [&](uint32_t limit, uint64_t stamp) {
    return board_.Install(CapOf("cap", limit, kWait), "web", kFromConfig, 1, stamp, now_, &differs);
  };
  const uint32_t cap = install(10, 5);
  EXPECT_FALSE(differs);
  const struct {
    uint32_t limit;
    uint64_t stamp;
    bool differs;
    uint32_t in_force;
  } cases[] = {
      {10, 5, false, 10}, {20, 5, true, 10},  {20, 4, true, 10}, {20, 6, false, 20},
      {10, 5, true, 20},  {20, 9, false, 20}, {30, 8, true, 20}, {30, 10, false, 30},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(install(each.limit, each.stamp), cap);
    EXPECT_EQ(differs, each.differs) << each.limit << ' ' << each.stamp;
    EXPECT_EQ(record(cap).rule.limit, each.in_force) << each.limit << ' ' << each.stamp;
  }
  EXPECT_NE(Install(CapOf("cap", 1, kWait), "batch"), cap) << "another service's";
  const std::string name(100, 's');
  const uint32_t lengthy = Install(CapOf("cap", 1, kWait), name.c_str());
  EXPECT_EQ(Install(CapOf("cap", 1, kWait), name.c_str()), lengthy);
}

TEST_F(BoardTest, AFileDoesNotUndoWhatAnOperatorSet) {
  const uint32_t cap = Install(CapOf("cap", 10, kWait), "", 1);
  Rule rule = record(cap).rule;
  rule.limit = 99;
  board_.Override(cap, rule, 1, now_);
  Install(CapOf("cap", 20, kWait), "", 2);
  EXPECT_EQ(record(cap).rule.limit, 99u);
  board_.Reset(cap, 1, now_);
  EXPECT_EQ(record(cap).rule.limit, 20u);
}

TEST_F(BoardTest, WhenAllNumbersAreTakenTheOldestUnusedIsTakenAgain) {
  std::vector<Outcome> held;
  for (uint32_t i = 0; i < kMaxPolicies; ++i)
    EXPECT_EQ(Install(CapOf("p" + std::to_string(i), 1, kWait), "", 100 + i), i);
  held.push_back(Connect(Bit(0)));
  held.push_back(Connect(Bit(0)));  // and with it an episode
  EXPECT_EQ(Install(CapOf("new", 1, kWait), "", 200), 1u) << "0 is in use";
  EXPECT_EQ(record(1).rule.limit, 1u);
  for (const Outcome& outcome : held) Close(outcome);
  EXPECT_EQ(Install(CapOf("newer", 1, kWait), "", 201), 0u);
  Episode episode;
  EXPECT_FALSE(board_.NextEpisode(now_ + 10 * kSecond, &episode));
  ASSERT_EQ(board_.Adopt(Ask(UINT64_MAX)).answer, Answer::kGo);
  EXPECT_EQ(Install(CapOf("one too many", 1, kWait), "", 300), kNoPolicyNumber);
}

TEST_F(BoardTest, TheBoardOfTheProcessMirrorsTheSharedOne) {
  testing::SharedMemory memory(Board::Size({1, 0, 16}));
  Board own;
  ASSERT_TRUE(own.Create(memory.begin(), {1, 0, 16}, false, {}, nullptr));
  const uint32_t member = own.Join(IdentityOf(getpid()), now_);
  const uint32_t cap = Cap(1, kWait);
  own.Mirror(cap, record(cap), now_);
  const uint32_t generation = own.generation();
  own.Mirror(cap, record(cap), now_);
  EXPECT_EQ(own.generation(), generation) << "nothing has changed";
  Request request = Ask(Bit(cap));
  request.member = member;
  const Outcome held = own.Enter(request);
  const Outcome waiting = own.Enter(request);
  EXPECT_EQ(waiting.answer, Answer::kWait);
  Rule rule = record(cap).rule;
  rule.limit = 2;
  board_.Override(cap, rule, 1, now_);
  own.Mirror(cap, record(cap), now_);
  EXPECT_EQ(own.Look(waiting, now_).answer, Answer::kGo);
  board_.Retire(cap, now_);
  Install(CapOf("another", 5, kReject));
  own.Mirror(cap, record(cap), now_);
  EXPECT_EQ(own.use(cap), 2u);
  own.Withdraw(held.entry, held.ticket, now_);
  own.Withdraw(waiting.entry, waiting.ticket, now_);
  EXPECT_EQ(testing::Contradiction(own), "");
}

TEST_F(BoardTest, AnAdoptedConnectionCountsWhateverTheLimit) {
  const uint32_t cap = Cap(1, kReject);
  std::vector<Outcome> adopted;
  for (int i = 0; i < 3; ++i) {
    adopted.push_back(board_.Adopt(Ask(Bit(cap))));
    EXPECT_EQ(adopted.back().answer, Answer::kGo);
  }
  EXPECT_EQ(board_.use(cap), 3u);
  EXPECT_EQ(record(cap).warned, 0u);
  EXPECT_EQ(record(cap).admitted, 0u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kRefused);
    Close(adopted[static_cast<size_t>(i)]);
  }
  EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kGo);
}

TEST_F(BoardTest, ARecountedConnectionMakesRoomWhereItLeaves) {
  const uint32_t from = Cap(1, kWait);
  const uint32_t to = Cap(1, kWait);
  const Outcome held = Connect(Bit(from));
  const Outcome waiting = Connect(Bit(from));
  board_.Recount(held.entry, Bit(to), now_);
  EXPECT_EQ(Look(waiting).answer, Answer::kGo);
  EXPECT_EQ(board_.use(to), 1u);
  EXPECT_EQ(Connect(Bit(to)).answer, Answer::kWait);
}

TEST_F(BoardTest, AStretchAtTheLimitBeginsOnceAndEndsOnceAllIsQuiet) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  const Outcome first = Connect(Bit(cap));
  EXPECT_TRUE(first.entered);
  const Outcome second = Connect(Bit(cap));
  EXPECT_FALSE(second.entered);
  Episode episode;
  now_ += 3 * kSecond;
  EXPECT_FALSE(board_.NextEpisode(now_, &episode)) << "two wait";
  Close(held);
  Close(first);
  EXPECT_FALSE(board_.NextEpisode(now_, &episode)) << "no room";
  Close(second);
  EXPECT_FALSE(board_.NextEpisode(now_, &episode)) << "not quiet for long enough";
  now_ += kSecond;
  ASSERT_TRUE(board_.NextEpisode(now_, &episode));
  EXPECT_EQ(episode.policy, cap);
  EXPECT_EQ(episode.lasted_ns, 3 * kSecond);
  EXPECT_EQ(episode.waited, 2u);
  EXPECT_EQ(episode.longest_wait_ns, 3 * kSecond);
  EXPECT_FALSE(board_.NextEpisode(now_, &episode));
  Connect(Bit(cap));
  EXPECT_TRUE(Connect(Bit(cap)).entered) << "the next stretch";
}

TEST_F(BoardTest, StretchesCountWarningsAndRefusals) {
  const uint32_t warn = Cap(1, kWarn);
  const uint32_t reject = Cap(1, kReject);
  const Outcome held = Connect(Bit(warn) | Bit(reject));
  std::vector<Outcome> warned;
  for (int i = 0; i < 3; ++i) {
    warned.push_back(Connect(Bit(warn)));
    EXPECT_EQ(warned.back().entered, i == 0);
    EXPECT_EQ(Connect(Bit(reject)).entered, i == 0);
  }
  Close(held);
  for (const Outcome& outcome : warned) Close(outcome);
  now_ += kSecond;
  Episode episode;
  ASSERT_TRUE(board_.NextEpisode(now_, &episode));
  EXPECT_EQ(episode.warned, 3u);
  ASSERT_TRUE(board_.NextEpisode(now_, &episode));
  EXPECT_EQ(episode.refused, 3u);
}

TEST_F(BoardTest, TheBiggestHolderIsFoundAmongManyCallSites) {
  const uint32_t cap = Cap(100, kWait);
  uint32_t count;
  EXPECT_EQ(BiggestHolder(board_, cap, &count), kNoEntry);
  Request request = Ask(Bit(cap));
  uint32_t most = kNoEntry;
  for (uint64_t site = 1; site <= 8; ++site) {
    request.label = board_.AddLabel(site, "site", now_);
    ASSERT_NE(request.label, kNoEntry);
    if (site == 5) most = request.label;
    for (int i = 0; i < (site == 5 ? 6 : 2); ++i) board_.Enter(request);
  }
  EXPECT_EQ(BiggestHolder(board_, cap, &count), most);
  EXPECT_EQ(count, 6u);
}

// A header that another process has spoiled widens no bound.
TEST_F(BoardTest, TheBiggestHolderIsALabelOfTheBoard) {
  const uint32_t cap = Cap(100, kWait);
  Request request = Ask(Bit(cap));
  request.label = kCapacity.labels + 1;
  board_.Enter(request);
  static_cast<BoardHeader*>(memory_.begin())->label_capacity = UINT32_MAX;
  uint32_t count;
  EXPECT_EQ(BiggestHolder(board_, cap, &count), kNoEntry);
}

TEST_F(BoardTest, LabelsAreFoundAgainAndEndWhenThereAreTooMany) {
  uint32_t added = 0;
  for (uint64_t site = 1; site <= 40; ++site) {
    EXPECT_EQ(board_.LabelFor(site), kNoEntry);
    const uint32_t label = board_.AddLabel(site, std::to_string(site).c_str(), now_);
    if (label == kNoEntry) continue;
    ++added;
    EXPECT_EQ(board_.LabelFor(site), label);
    EXPECT_EQ(board_.AddLabel(site, "again", now_), label);
    EXPECT_EQ(board_.label(label).text, std::to_string(site));
  }
  EXPECT_GE(added, kCapacity.labels / 2);
  EXPECT_LE(added, kCapacity.labels);
  EXPECT_EQ(board_.AddLabel(0, "none", now_), kNoEntry);
  EXPECT_EQ(board_.LabelFor(0), kNoEntry);
}

TEST_F(BoardTest, WithoutAFreeEntryConnectsGoOnUncounted) {
  const uint32_t cap = Cap(60, kWait);
  auto held = Fill(Bit(cap), 60);
  std::vector<Outcome> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(Connect(Bit(cap)));
  EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kUncounted);
  EXPECT_EQ(Connect(0).answer, Answer::kUncounted);
  EXPECT_EQ(board_.Adopt(Ask(0)).answer, Answer::kUncounted);
  EXPECT_EQ(board_.header().uncounted, 3u);
  Close(waiting[0]);
  EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kWait);
  Close(held[0]);
}

TEST_F(BoardTest, WithoutAMemberConnectsGoOnUncounted) {
  for (const uint32_t member : {0u, 9u, UINT32_MAX}) {
    Request request = Ask(0);
    request.member = member;
    EXPECT_EQ(board_.Enter(request).answer, Answer::kUncounted) << member;
    EXPECT_EQ(board_.Adopt(request).answer, Answer::kUncounted) << member;
  }
}

TEST_F(BoardTest, AnEntryIsGivenBackOnceWhateverItsState) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  const Outcome first = Connect(Bit(cap));
  const Outcome second = Connect(Bit(cap));
  const Outcome third = Connect(Bit(cap));
  Close(second);  // while it waits
  Close(second);
  EXPECT_EQ(record(cap).waiting, 2u);
  Close(held);
  Close(first);  // granted
  Close(first);
  Close(held);
  EXPECT_EQ(State(third), kEntryGranted);
  EXPECT_EQ(Look(third).answer, Answer::kGo);
  EXPECT_EQ(board_.use(cap), 1u);
  Close(third);  // held
  Close(third);
  const Outcome later = Connect(Bit(cap));  // in a place of one of them
  for (const Outcome& stale : {held, first, second, third}) {
    Close(stale);
    EXPECT_NE(Look(stale).answer, Answer::kGo);
  }
  EXPECT_EQ(board_.use(cap), 1u);
  board_.Withdraw(kNoEntry, 0, now_);
  board_.Withdraw(kCapacity.entries + 1, 0, now_);
  Close(later);
}

TEST_F(BoardTest, WhatAThreadLeftBehindIsGivenBackAfterAWhile) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  const Outcome left = Connect(Bit(cap));
  Close(held);
  EXPECT_EQ(State(left), kEntryGranted);
  now_ += 10 * kSecond + kUnclaimedNs;
  const Outcome later = Connect(Bit(cap));
  EXPECT_EQ(later.answer, Answer::kGo);
  EXPECT_EQ(State(left), kEntryWaiting);
  now_ += kSecond;
  EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kWait);
  EXPECT_NE(board_.entry(left.entry).ticket, left.ticket);
}

// -------------------------------------------------------------------------------------------------
// Who does not come for his place.

TEST_F(BoardTest, APlaceThatIsNotTakenInTimeGoesToTheNext) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  std::vector<Outcome> stopped;
  for (int i = 0; i < 5; ++i) stopped.push_back(Connect(Bit(cap)));
  const Outcome lives = Connect(Bit(cap));
  Close(held);
  for (int i = 0; i < 5; ++i) {
    now_ += kClaimNs - kReapIntervalNs;
    EXPECT_EQ(Look(lives).answer, Answer::kWait) << i;
    EXPECT_EQ(State(stopped[static_cast<size_t>(i)]), kEntryGranted);
    now_ += kReapIntervalNs;
    const Outcome outcome = Look(lives);
    EXPECT_EQ(outcome.answer, i < 4 ? Answer::kWait : Answer::kGo) << i;
    EXPECT_EQ(State(stopped[static_cast<size_t>(i)]), kEntryWaiting);
  }
  EXPECT_EQ(board_.use(cap), 1u);
  EXPECT_EQ(record(cap).admitted, 2u);
  EXPECT_EQ(record(cap).waited, 1u);
  EXPECT_EQ(record(cap).waiting, 0u) << "nobody whom a place would be given to";
  EXPECT_EQ(board_.header().passed_over, 5u);
}

TEST_F(BoardTest, WhoWasPassedOverComesBackToHisPlaceAndHisDeadline) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  const Outcome first = Connect(Bit(cap));
  const Outcome stopped = Connect(Bit(cap));
  const Outcome next = Connect(Bit(cap));
  const Outcome last = Connect(Bit(cap));
  now_ += kSecond;
  Close(held);
  Look(first);
  Close(first);
  now_ += kClaimNs;
  EXPECT_EQ(Look(next).answer, Answer::kGo);
  const Outcome back = Look(stopped);
  EXPECT_EQ(back.answer, Answer::kWait);
  EXPECT_EQ(back.deadline_ns, 1'010 * kSecond);
  EXPECT_EQ(back.waited_ns, kSecond + kClaimNs);
  EXPECT_EQ(record(cap).waiting, 2u);
  Close(next);
  EXPECT_EQ(State(stopped), kEntryGranted) << "before `last`, who came later";
  const Outcome go = Look(back);
  EXPECT_EQ(go.answer, Answer::kGo);
  EXPECT_EQ(go.waited_ns, kSecond + kClaimNs);
  Close(go);
  EXPECT_EQ(Look(last).answer, Answer::kGo);
}

TEST_F(BoardTest, WhoWasPassedOverHoldsUpNobody) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  const Outcome stopped = Connect(Bit(cap));
  Close(held);
  now_ += kClaimNs;
  Request hurry = Ask(Bit(cap));
  hurry.may_wait = false;
  const Outcome newcomer = board_.Enter(hurry);
  EXPECT_EQ(newcomer.answer, Answer::kGo);
  Close(newcomer);
  const Outcome another = Connect(Bit(cap));
  EXPECT_EQ(another.answer, Answer::kGo);
  Close(stopped);  // cancelled meanwhile
  Close(another);
  EXPECT_EQ(board_.use(cap), 0u);
}

TEST_F(BoardTest, APaceThatWasNotTakenIsTheNextOnes) {
  const uint32_t pace = Install(PaceOf("pace", 5 * kSecond, 1));
  Connect(Bit(pace));
  const Outcome stopped = Connect(Bit(pace));
  now_ += 5 * kSecond;
  const Outcome lives = Connect(Bit(pace));
  EXPECT_EQ(State(stopped), kEntryGranted);
  now_ += kClaimNs;
  EXPECT_EQ(Look(lives).answer, Answer::kGo);
}

TEST_F(BoardTest, ARefusalAlwaysHasItsPolicyAndHowLongItWaited) {
  const uint32_t other = Cap(1, kWait);
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  const Outcome stopped = Look(Connect(Bit(cap)));
  now_ += 10 * kSecond + 2 * kUnclaimedNs;
  Connect(Bit(other));
  Connect(Bit(other));  // looks around
  ASSERT_NE(board_.entry(stopped.entry).ticket, stopped.ticket);
  const Outcome outcome = Look(stopped);
  EXPECT_EQ(outcome.answer, Answer::kTimedOut);
  EXPECT_EQ(outcome.policy, cap);
  EXPECT_GE(outcome.waited_ns, 10 * kSecond);
  Close(held);
}

// -------------------------------------------------------------------------------------------------
// What another process, or another clock, has left.

TEST_F(BoardTest, AWaitEndsAtTheDeadlineWhateverTheBoardSays) {
  Policy policy = CapOf("cap", 1, kWait);
  policy.rule.wait_timeout_ms = UINT32_MAX;  // 49 days
  const uint32_t cap = Install(policy);
  Connect(Bit(cap));
  const Outcome waiting = Connect(Bit(cap));
  EXPECT_EQ(waiting.deadline_ns, now_ + kMaxWaitTimeoutMs * kMs);
  Request request = Ask(Bit(cap));
  request.deadline = now_ + kSecond;
  const Outcome brief = board_.Enter(request);
  auto* header = static_cast<BoardHeader*>(memory_.begin());
  auto* entries =
      reinterpret_cast<Entry*>(static_cast<char*>(memory_.begin()) + header->entries_offset);
  entries[brief.entry - 1].deadline_ns = UINT64_MAX;
  EXPECT_LE(Look(brief).look_again_ns, now_ + kSecond);
  now_ += kSecond;
  EXPECT_EQ(Look(brief).answer, Answer::kTimedOut);
}

TEST_F(BoardTest, WhoseEntryIsLostBeforeItsTimeGoesOnUncounted) {
  const uint32_t cap = Cap(1, kWait);
  Connect(Bit(cap));
  const Outcome waiting = Connect(Bit(cap));
  Close(waiting);  // as somebody else might have done
  EXPECT_EQ(Look(waiting).answer, Answer::kUncounted);
}

TEST_F(BoardTest, CountsBeyondAllEntriesArePutRight) {
  const uint32_t cap = Cap(1, kWait);
  const Outcome held = Connect(Bit(cap));
  Close(held);
  const_cast<Record&>(record(cap)).use = 1'000;
  now_ += kSecond;
  EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kGo);
}

TEST_F(BoardTest, AMomentOfAnotherClockHoldsNobodyBack) {
  const uint64_t day = 86'400 * kSecond;
  const uint32_t pace = Install(PaceOf("pace", kSecond, 1));
  const uint32_t backoff = Install(BackoffOf("backoff"));
  const uint64_t here = now_;
  now_ += day;
  Connect(Bit(pace));
  const Outcome victim = Connect(Bit(backoff));
  board_.Settle(victim.entry, true, now_);
  now_ = here;
  EXPECT_EQ(Connect(Bit(pace)).answer, Answer::kGo);
  EXPECT_EQ(Connect(Bit(pace)).answer, Answer::kWait) << "and is in force again";
  EXPECT_EQ(Connect(Bit(backoff)).answer, Answer::kGo);
}

// -------------------------------------------------------------------------------------------------
// A full server.

TEST_F(BoardTest, WhileTheServerIsFullOneConnectTriesAtATime) {
  const uint32_t pace = Install(BackoffOf("pace"));
  const Outcome victim = Connect(Bit(pace));
  EXPECT_EQ(victim.answer, Answer::kGo);
  board_.Settle(victim.entry, true, now_);
  Close(victim);
  const Outcome first = Connect(Bit(pace));
  const Outcome second = Connect(Bit(pace));
  EXPECT_EQ(first.answer, Answer::kWait);
  EXPECT_LE(first.look_again_ns, record(pace).probe_at_ns);
  now_ += 125 * kMs;
  EXPECT_EQ(Look(first).answer, Answer::kGo);
  EXPECT_EQ(Look(second).answer, Answer::kWait);
  board_.Settle(first.entry, true, now_);  // still full
  Close(first);
  EXPECT_EQ(record(pace).probes, 1u);
  now_ += 150 * kMs - 1;
  EXPECT_EQ(Look(second).answer, Answer::kWait);
  now_ += 101 * kMs;
  EXPECT_EQ(Look(second).answer, Answer::kGo);
  const Outcome third = Connect(Bit(pace));
  EXPECT_EQ(third.answer, Answer::kWait);
  board_.Settle(second.entry, false, now_);
  EXPECT_EQ(Look(third).answer, Answer::kGo);
  EXPECT_EQ(record(pace).server_full_since_ns, 0u);
  EXPECT_EQ(record(pace).server_full_count, 2u);
}

TEST_F(BoardTest, ATryThatEndsOtherwiseIsFollowedByTheNextAtOnce) {
  const uint32_t pace = Install(BackoffOf("pace"));
  const uint32_t other = Cap(9, kWait);
  const auto fill_server = [&] {
    const Outcome victim = Connect(Bit(pace));
    board_.Settle(victim.entry, true, now_);
    Close(victim);
    now_ += 20 * kSecond;
  };
  const auto end = [&](int how, const Outcome& prober) {
    Rule rule = record(pace).rule;
    if (how == 0) Close(prober);                                   // wrong password
    if (how == 1) board_.Recount(prober.entry, Bit(other), now_);  // no longer one of its
    if (how == 2) {
      rule.on_server_full = kFullIgnored;
      board_.Override(pace, rule, 1, now_);
      board_.Settle(prober.entry, true, now_);
      board_.Reset(pace, 1, now_);
    }
  };
  for (int how = 0; how < 3; ++how) {
    SCOPED_TRACE(how);
    fill_server();
    const Outcome prober = Connect(Bit(pace));
    const Outcome next = Connect(Bit(pace));
    ASSERT_EQ(prober.answer, Answer::kGo);
    ASSERT_EQ(next.answer, Answer::kWait);
    end(how, prober);
    EXPECT_EQ(Look(next).answer, Answer::kGo);
    board_.Settle(next.entry, false, now_);
  }
}

TEST_F(BoardTest, ATryOfAProcessThatDiesIsFollowedByTheNext) {
  const uint32_t pace = Install(BackoffOf("pace"));
  const Outcome victim = Connect(Bit(pace));
  board_.Settle(victim.entry, true, now_);
  now_ += kSecond;
  Mortal process;
  Request request = Ask(Bit(pace));
  request.member = board_.Join(IdentityOf(process.pid()), now_);
  const Outcome prober = board_.Enter(request);
  ASSERT_EQ(prober.answer, Answer::kGo);
  const Outcome next = Connect(Bit(pace));
  ASSERT_EQ(next.answer, Answer::kWait);
  process.Kill();
  now_ += kReapIntervalNs;
  EXPECT_EQ(Look(next).answer, Answer::kGo);
}

// -------------------------------------------------------------------------------------------------
// Processes that end.

TEST_F(BoardTest, WhatADeadProcessHeldIsGivenBackToWhoWaits) {
  const uint32_t cap = Cap(2, kWait);
  Mortal process;
  Request request = Ask(Bit(cap));
  request.member = board_.Join(IdentityOf(process.pid()), now_);
  ASSERT_NE(request.member, member_);
  board_.Enter(request);
  board_.Enter(request);
  board_.Enter(request);  // it waits, too
  const Outcome waiting = Connect(Bit(cap));
  EXPECT_EQ(waiting.answer, Answer::kWait);
  process.Kill();
  now_ += kReapIntervalNs;
  const Outcome newcomer = Connect(Bit(cap));
  EXPECT_EQ(Look(waiting).answer, Answer::kGo);
  EXPECT_EQ(newcomer.answer, Answer::kGo);
  EXPECT_EQ(board_.member(request.member).pid, 0);
}

TEST_F(BoardTest, AClockThatBeganAnewDoesNotHideTheDead) {
  const uint32_t cap = Cap(1, kWait);
  Mortal process;
  Request request = Ask(Bit(cap));
  request.member = board_.Join(IdentityOf(process.pid()), now_);
  board_.Enter(request);
  Connect(Bit(cap));
  process.Kill();
  now_ = 10 * kSecond;  // since the next boot; the file lay on a disk
  Connect(Bit(cap));
  EXPECT_EQ(board_.member(request.member).pid, 0);
}

TEST_F(BoardTest, AnotherProcessOfTheSameNumberIsFoundOut) {
  const uint32_t cap = Cap(1, kWait);
  MemberIdentity earlier = IdentityOf(getppid());
  ++earlier.start_ticks;
  Request request = Ask(Bit(cap));
  request.member = board_.Join(earlier, now_);
  board_.Enter(request);
  EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kWait) << "compared once a second";
  now_ += 1'100 * kMs;
  EXPECT_EQ(Connect(Bit(cap)).answer, Answer::kWait) << "behind the first, who was granted";
  EXPECT_EQ(board_.member(request.member).pid, 0);
}

TEST_F(BoardTest, TheNextProgramOfAProcessGivesBackWhatTheFirstHad) {
  const uint32_t cap = Cap(1, kWait);
  Connect(Bit(cap));
  const uint32_t again = board_.Join(IdentityOf(getpid()), now_);
  EXPECT_EQ(again, member_);
  EXPECT_EQ(board_.use(cap), 0u);
}

TEST_F(BoardTest, WhoLeavesGivesBackAll) {
  const uint32_t cap = Cap(1, kWait);
  Request request = Ask(Bit(cap));
  request.member = board_.Join(IdentityOf(getppid()), now_);
  board_.Enter(request);
  const Outcome waiting = Connect(Bit(cap));
  board_.Leave(request.member, now_);
  EXPECT_EQ(Look(waiting).answer, Answer::kGo);
  board_.Leave(request.member, now_);
  board_.Leave(kNoEntry, now_);
}

TEST_F(BoardTest, MembersOfDeadProcessesAreUsedAgain) {
  {
    std::vector<std::unique_ptr<Mortal>> processes;
    for (uint32_t i = 1; i < kCapacity.members; ++i) {
      processes.push_back(std::make_unique<Mortal>());
      EXPECT_NE(board_.Join(IdentityOf(processes.back()->pid()), now_), kNoEntry);
    }
    EXPECT_EQ(board_.Join(IdentityOf(getppid()), now_), kNoEntry) << "all live";
  }
  EXPECT_NE(board_.Join(IdentityOf(getppid()), now_), kNoEntry);
}

// -------------------------------------------------------------------------------------------------
// Threads of one process. For ThreadSanitizer, too; board_processes_test.cc has the rest.

TEST_F(BoardTest, ThreadsShareALimitWhileItChanges) {
  constexpr uint32_t kLimit = 2;
  const uint32_t cap = Cap(kLimit, kWait);
  std::atomic<int> use = 0;
  std::atomic<int> most = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (uint64_t site = 1; site <= 4; ++site) {
    threads.emplace_back([&, site] {
      for (int turn = 0; turn < 500; ++turn) {
        Request request = Ask(Bit(cap));
        request.now = Now();
        request.label = board_.LabelFor(site);
        if (request.label == kNoEntry) request.label = board_.AddLabel(site, "site", request.now);
        Outcome outcome = board_.Enter(request);
        while (outcome.answer == Answer::kWait) outcome = board_.Await(outcome);
        ASSERT_EQ(outcome.answer, Answer::kGo);
        const int now = ++use;
        int before = most;
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        board_.Settle(outcome.entry, false, Now());
        --use;
        board_.Withdraw(outcome.entry, outcome.ticket, Now());
      }
    });
  }
  std::thread operator_thread([&] {
    Rule rule = CapOf("", kLimit, kWait).rule;
    for (uint32_t turn = 0; !stop; ++turn) {
      rule.limit = 1 + turn % kLimit;
      board_.Override(cap, rule, 1, Now());
      board_.Announce(cap);
      EXPECT_LE(board_.use(cap), kLimit);
      Episode episode;
      board_.NextEpisode(Now(), &episode);
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  operator_thread.join();
  EXPECT_LE(most, static_cast<int>(kLimit));
  EXPECT_EQ(board_.use(cap), 0u);
  EXPECT_EQ(record(cap).admitted, 2'000u);
}

}  // namespace
}  // namespace pqleash::caps
