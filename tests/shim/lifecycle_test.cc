// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/lifecycle.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "tests/shim/tracker_fixture.h"

namespace pqleash::tracker {
namespace {

// A life as a word: e established, f failed, b broken, r resetting, w waiting at a cap, c let go
// again, n refused, x finished, s finished by an interpreter's shutdown, q by PHP at the end of a
// request. It begins with the connect.
struct Case {
  const char* life;
  uint32_t state;
  uint64_t opened;
  uint64_t closed;
  uint64_t failed;
  uint32_t open;
};

void Live(TrackerFixture& f, uint32_t slot, const std::string& life) {
  for (const char step : life) {
    switch (step) {
      case 'e':
        f.lifecycle->Established(slot, {}, 200);
        break;
      case 'f':
        f.lifecycle->Failed(slot, {}, 300);
        break;
      case 'b':
        f.lifecycle->Broken(slot, 300);
        break;
      case 'r':
        f.lifecycle->Resetting(slot, 1);
        break;
      case 'w':
        f.lifecycle->Waiting(slot, 1);
        break;
      case 'c':
        f.lifecycle->Resumed(slot, ledger::kConnecting, 1);
        break;
      case 'n':
        f.lifecycle->Refused(slot, {}, 300);
        break;
      case 'x':
        f.Close(1);
        break;
      case 's':
        f.CloseBy(1, {stack::Closing::kShutdown, ledger::kPerl});
        break;
      case 'q':
        f.CloseBy(1, {stack::Closing::kRequest, ledger::kPhp});
        break;
    }
  }
}

TEST(Lifecycle, EveryLifeIsCountedOnce) {
  for (const Case& c : {
           Case{"", ledger::kConnecting, 0, 0, 0, 0},
           Case{"e", ledger::kEstablished, 1, 0, 0, 1},
           Case{"ex", ledger::kSlotFree, 1, 1, 0, 0},
           Case{"f", ledger::kFailed, 0, 0, 1, 0},
           Case{"fx", ledger::kSlotFree, 0, 0, 1, 0},
           Case{"x", ledger::kSlotFree, 0, 0, 1, 0},  // abandoned half way
           Case{"eb", ledger::kBroken, 1, 1, 0, 0},
           Case{"ebx", ledger::kSlotFree, 1, 1, 0, 0},
           Case{"er", ledger::kResetting, 1, 0, 0, 1},
           Case{"ere", ledger::kEstablished, 1, 0, 0, 1},
           Case{"erex", ledger::kSlotFree, 1, 1, 0, 0},
           Case{"erf", ledger::kFailed, 1, 1, 1, 0},
           Case{"erfre", ledger::kEstablished, 2, 1, 1, 1},
           Case{"ebre", ledger::kEstablished, 2, 1, 0, 1},
           Case{"fre", ledger::kEstablished, 1, 0, 1, 1},
           Case{"frx", ledger::kSlotFree, 0, 0, 2, 0},  // the reset was abandoned, too
           Case{"erx", ledger::kSlotFree, 1, 1, 0, 0},
           Case{"w", ledger::kWaiting, 0, 0, 0, 0},
           Case{"wce", ledger::kEstablished, 1, 0, 0, 1},
           Case{"wx", ledger::kSlotFree, 0, 0, 1, 0},
           Case{"wn", ledger::kRefused, 0, 0, 1, 0},
           Case{"nx", ledger::kSlotFree, 0, 0, 1, 0},
           Case{"nre", ledger::kEstablished, 1, 0, 1, 1},
           Case{"erw", ledger::kWaiting, 1, 0, 0, 1},
           Case{"erwn", ledger::kRefused, 1, 1, 1, 0},
           Case{"erwx", ledger::kSlotFree, 1, 1, 0, 0},
           Case{"es", ledger::kLeftOpen, 1, 1, 0, 0},
           Case{"ebs", ledger::kLeftOpen, 1, 1, 0, 0},
           Case{"s", ledger::kSlotFree, 0, 0, 1, 0},
           Case{"fs", ledger::kSlotFree, 0, 0, 1, 0},
           Case{"ns", ledger::kSlotFree, 0, 0, 1, 0},
           Case{"eq", ledger::kSlotFree, 1, 1, 0, 0},
           Case{"fq", ledger::kSlotFree, 0, 0, 1, 0},
       }) {
    TrackerFixture f;
    const uint32_t slot = f.Open(1);
    Live(f, slot, c.life);
    EXPECT_EQ(f.Slot(slot).state, c.state) << c.life;
    EXPECT_EQ(f.Slot(slot).sequence % 2, 0u) << c.life;
    EXPECT_EQ(f.Header().opened, c.opened) << c.life;
    EXPECT_EQ(f.Header().closed, c.closed) << c.life;
    EXPECT_EQ(f.Header().failed, c.failed) << c.life;
    EXPECT_EQ(f.Header().open, c.open) << c.life;
    EXPECT_EQ(f.Site().opened, c.opened) << c.life;
    EXPECT_EQ(f.Site().closed, c.closed) << c.life;
    EXPECT_EQ(f.Site().failed, c.failed) << c.life;
    EXPECT_EQ(f.Site().open, c.open) << c.life;
  }
}

TEST(Lifecycle, PeakIsTheMostThatWereOpenAtOnce) {
  TrackerFixture f;
  for (uint32_t i = 0; i < 3; ++i) f.lifecycle->Established(f.Open(i), {}, 200);
  f.Close(0);
  f.Close(1);
  f.lifecycle->Established(f.Open(0), {}, 200);
  EXPECT_EQ(f.Header().open, 2u);
  EXPECT_EQ(f.Header().peak, 3u);
  EXPECT_EQ(f.Site().peak, 3u);
}

// Each ends a use that has lasted for 50 ns.
TEST(Lifecycle, WhateverEndsAUseIsCounted) {
  struct Use {
    const char* what;
    void (*end)(TrackerFixture& f, uint32_t slot);
  };
  for (const Use& c : {
           Use{"idle", [](TrackerFixture&f, uint32_t slot) { f.lifecycle->Idle(slot, 300); }},
           Use{"broken", [](TrackerFixture&f, uint32_t slot) { f.lifecycle->Broken(slot, 300); }},
           Use{"reset", [](TrackerFixture&f, uint32_t slot) { f.lifecycle->Resetting(slot, 300); }},
           Use{"reset that fails",
               [](TrackerFixture&f, uint32_t slot) {
                 f.lifecycle->Resetting(slot, 300);
                 f.lifecycle->Failed(slot, {}, 400);
               }},
           Use{"finished", [](TrackerFixture&f, uint32_t) { f.Close(1); }},  // at 300
       }) {
    TrackerFixture f;
    const uint32_t slot = f.Open(1);
    f.lifecycle->Established(slot, {}, 200);
    f.lifecycle->Busy(slot, 250);
    EXPECT_EQ(f.Header().in_use, 1u) << c.what;
    EXPECT_EQ(f.Site().in_use, 1u) << c.what;
    EXPECT_EQ(f.Slot(slot).busy_since_ns, 250u) << c.what;
    c.end(f, slot);
    EXPECT_EQ(f.Header().in_use, 0u) << c.what;
    EXPECT_EQ(f.Site().in_use, 0u) << c.what;
    EXPECT_EQ(f.Site().in_use_peak, 1u) << c.what;
    EXPECT_EQ(f.Site().busy_ns, 50u) << c.what;
    EXPECT_EQ(f.Slot(slot).busy_since_ns, 0u) << c.what;
  }
}

TEST(Lifecycle, TheSitesPeakIsTheMostThatWereInUseAtOnce) {
  TrackerFixture f;
  uint32_t slots[3];
  for (uint32_t i = 0; i < 3; ++i) {
    slots[i] = f.Open(i);
    f.lifecycle->Established(slots[i], {}, 200);
  }
  f.lifecycle->Busy(slots[0], 250);
  f.lifecycle->Busy(slots[1], 250);
  f.lifecycle->Idle(slots[0], 260);
  f.lifecycle->Busy(slots[2], 270);
  EXPECT_EQ(f.Site().in_use, 2u);
  EXPECT_EQ(f.Site().in_use_peak, 2u);
}

TEST(Lifecycle, AnotherOneBesideAnIdleOneIsCounted) {
  TrackerFixture f;
  const uint32_t first = f.Open(1);
  f.lifecycle->Established(first, {}, 200);
  EXPECT_EQ(f.Site().opened_beside_idle, 0u) << "the first";
  f.lifecycle->Busy(first, 210);
  f.lifecycle->Established(f.Open(2), {}, 220);
  EXPECT_EQ(f.Site().opened_beside_idle, 0u) << "all were in use";
  f.lifecycle->Established(f.Open(3), {}, 230);
  EXPECT_EQ(f.Site().opened_beside_idle, 1u) << "the second is idle";
}

TEST(Lifecycle, TheSlotSaysWhoOpenedItAndWhereItGoes) {
  TrackerFixture f;
  const uint32_t slot = f.Open(5);
  EXPECT_EQ(f.Slot(slot).established_ns, 0u);
  f.lifecycle->Established(slot, {0, 4711}, 250);
  const ledger::ConnectionSlot& record = f.Slot(slot);
  EXPECT_EQ(record.handle, reinterpret_cast<uintptr_t>(f.Handle(5)));
  EXPECT_EQ(record.call_site, 1u);
  EXPECT_EQ(record.tid, 7);
  EXPECT_STREQ(record.thread_name, "worker");
  EXPECT_EQ(record.backend_pid, 4711);
  EXPECT_EQ(record.opened_ns, 100u);
  EXPECT_EQ(record.established_ns, 250u);
  EXPECT_EQ(record.transaction, ledger::kTransactionIdle);
}

TEST(Lifecycle, TheSiteAddsUpHowLongItsConnectionsLived) {
  TrackerFixture f;
  for (uint32_t i = 0; i < 2; ++i) f.lifecycle->Established(f.Open(i), {}, 200);
  f.Close(0);  // at 300
  f.Close(1);
  EXPECT_EQ(f.Site().closed_life_ns, 200u);
}

TEST(Lifecycle, AResetIsCountedInItsSlot) {
  TrackerFixture f;
  const uint32_t slot = f.Open(1);
  Live(f, slot, "erere");
  EXPECT_EQ(f.Slot(slot).resets, 2u);
}

TEST(Lifecycle, ASlotThatIsReusedRemembersNothing) {
  TrackerFixture f;
  const uint32_t slot = f.Open(1);
  Live(f, slot, "erex");
  EXPECT_EQ(f.Open(2), slot);
  EXPECT_EQ(f.Slot(slot).resets, 0u);
  EXPECT_EQ(f.Slot(slot).established_ns, 0u);
  EXPECT_EQ(f.Slot(slot).commands, 0u);
  EXPECT_EQ(f.Slot(slot).state, ledger::kConnecting);
}

TEST(Lifecycle, WhatAnInterpretersShutdownClosesStaysAsEvidence) {
  TrackerFixture f;
  const uint32_t slot = f.Open(1);
  f.lifecycle->Established(slot, {0, 4711}, 200);
  f.lifecycle->Busy(slot, 250);
  f.CloseBy(1, {stack::Closing::kShutdown, ledger::kPython});
  EXPECT_EQ(f.Slot(slot).state, ledger::kLeftOpen);
  EXPECT_EQ(f.Slot(slot).closed_by, ledger::kPython);
  EXPECT_EQ(f.Slot(slot).sequence % 2, 0u);
  EXPECT_EQ(f.Slot(slot).backend_pid, 4711);
  EXPECT_EQ(f.Header().left_open, 1u);
  EXPECT_EQ(f.Header().in_use, 0u);
  EXPECT_EQ(f.Site().in_use, 0u);
  EXPECT_EQ(f.Site().closed_life_ns, 100u);
  // libpq hands the address out again.
  EXPECT_EQ(f.connections->Find(f.Handle(1)), kNoSlot);
  const uint32_t next = f.Open(1);
  EXPECT_NE(next, slot);
  EXPECT_EQ(f.connections->Find(f.Handle(1)), next);
  f.lifecycle->Established(next, {}, 400);
  f.Close(1);
  EXPECT_EQ(f.Slot(next).state, ledger::kSlotFree);
  EXPECT_EQ(f.Slot(slot).state, ledger::kLeftOpen);
  EXPECT_EQ(f.Header().closed, 2u);
  EXPECT_EQ(f.Header().open, 0u);
}

// A host may start and end its interpreter as often as it likes.
TEST(Lifecycle, EvidenceOfShutdownsHasABound) {
  TrackerFixture f(ledger::kMaxLeftOpen + 1);
  for (uint32_t i = 0; i < ledger::kMaxLeftOpen + 3; ++i) {
    const uint32_t slot = f.Open(1);
    ASSERT_NE(slot, kNoSlot) << i;
    f.lifecycle->Established(slot, {}, 200);
    f.CloseBy(1, {stack::Closing::kShutdown, ledger::kPython});
    EXPECT_EQ(f.Slot(slot).state == ledger::kLeftOpen, i < ledger::kMaxLeftOpen) << i;
  }
  EXPECT_EQ(f.Header().left_open, ledger::kMaxLeftOpen + 3);
  EXPECT_EQ(f.Header().closed, ledger::kMaxLeftOpen + 3);
}

TEST(Lifecycle, WhatARequestEndsIsCountedBeside) {
  TrackerFixture f;
  f.lifecycle->Established(f.Open(1), {}, 200);
  f.CloseBy(1, {stack::Closing::kRequest, ledger::kPhp});
  f.lifecycle->Failed(f.Open(2), {}, 200);
  f.CloseBy(2, {stack::Closing::kRequest, ledger::kPhp});
  EXPECT_EQ(f.Header().closed_with_request, 1u) << "a failed connect is none";
  EXPECT_EQ(f.Header().left_open, 0u);
}

TEST(Lifecycle, AnInheritedConnectionIsNeverCountedAndStaysAsEvidence) {
  TrackerFixture f;
  ledger::ConnectionSlot description = {};
  description.call_site = 1;
  description.opener_pid = 4711;
  description.sequence = 3;  // the opener's: none of ours
  const uint32_t slot = f.lifecycle->Inherit(f.Handle(1), description, 0);
  EXPECT_EQ(f.connections->Find(f.Handle(1)), slot);
  EXPECT_EQ(f.Slot(slot).state, ledger::kInherited);
  EXPECT_EQ(f.Slot(slot).sequence % 2, 0u);
  f.Close(1);
  EXPECT_EQ(f.Slot(slot).state, ledger::kInherited);
  EXPECT_EQ(f.Slot(slot).inherited, ledger::kFinishedHere);
  EXPECT_EQ(f.Header().opened, 0u);
  EXPECT_EQ(f.Header().closed, 0u);
  EXPECT_EQ(f.Header().failed, 0u);
  EXPECT_NE(f.Open(1), slot);
}

constexpr uint64_t kSecond = 1'000'000'000;

void UseAt(TrackerFixture& f, uint32_t slot, uint64_t second) {
  f.lifecycle->Busy(slot, second * kSecond);
  f.lifecycle->Idle(slot, second * kSecond);
}

TEST(Lifecycle, TheLongestRestThatAUseCameAfterIsKept) {
  TrackerFixture f;
  const uint32_t slot = f.Open(1);
  const uint32_t other = f.Open(2);
  f.lifecycle->Established(slot, {}, 100);
  f.lifecycle->Established(other, {}, 100);
  UseAt(f, slot, 1);
  EXPECT_EQ(f.Slot(slot).longest_rest_ns, 0u) << "before its first use it did not rest";
  for (uint64_t second = 2; second <= 40; ++second) UseAt(f, other, second);
  EXPECT_EQ(f.Slot(slot).longest_rest_ns, 0u) << "it has not come back";
  UseAt(f, slot, 41);
  EXPECT_EQ(f.Slot(slot).longest_rest_ns, 40 * kSecond);
  UseAt(f, slot, 45);
  EXPECT_EQ(f.Slot(slot).longest_rest_ns, 40 * kSecond);
  EXPECT_EQ(f.Slot(other).longest_rest_ns, kSecond);
}

TEST(Lifecycle, ANightIsNoLongRest) {
  TrackerFixture f;
  const uint32_t slot = f.Open(1);
  f.lifecycle->Established(slot, {}, 100);
  UseAt(f, slot, 1);
  UseAt(f, slot, 30'000);
  EXPECT_EQ(f.Slot(slot).longest_rest_ns, ledger::kQuietNs);
}

TEST(Lifecycle, AUseByAnotherThreadIsAChange) {
  TrackerFixture f;
  const uint32_t slot = f.Open(1);
  f.lifecycle->Established(slot, {}, 100);
  UseAt(f, slot, 1);
  UseAt(f, slot, 2);
  EXPECT_EQ(f.Slot(slot).thread_changes, 0u);
  std::thread([&] { UseAt(f, slot, 3); }).join();
  EXPECT_EQ(f.Slot(slot).thread_changes, 1u);
  EXPECT_NE(f.Slot(slot).last_thread, 0u);
  UseAt(f, slot, 4);
  EXPECT_EQ(f.Slot(slot).thread_changes, 2u);
  EXPECT_LE(f.Slot(slot).handovers, 2u);
}

TEST(Lifecycle, FailuresAreCountedByReason) {
  TrackerFixture f;
  const uint32_t slot = f.Open(1);
  f.lifecycle->Failed(slot, {}, 300);
  f.lifecycle->CountFailure(slot, ledger::kFailureAuthentication, 0, 300);
  f.lifecycle->CountFailure(slot, ledger::kFailureServerFull, 0, 400);
  f.lifecycle->CountFailure(slot, ledger::kFailureRoleLimit, 0, 500);
  EXPECT_EQ(f.Header().failures[ledger::kFailureAuthentication].count, 1u);
  EXPECT_EQ(f.Header().failures[ledger::kFailureAuthentication].last_ns, 300u);
  EXPECT_EQ(f.Header().failures[ledger::kFailureAuthentication].call_site, 1u);
  EXPECT_EQ(f.Header().failures[ledger::kFailureRoleLimit].count, 1u);
  EXPECT_EQ(f.Header().server_full, 1u) << "a role's limit is no full server";
}

}  // namespace
}  // namespace pqleash::tracker
