// SPDX-License-Identifier: Apache-2.0
//
// Limits from measured numbers: each case is a service in the words of a test, and what is to be
// proposed for it.

#include "reporter/advice/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "reporter/findings/detector.h"
#include "reporter/render/advice_text.h"
#include "reporter/render/advice_toml.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"
#include "tests/reporter/subprocess.h"

namespace pqleash::reporter {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kNow = 100'005 * kSecond;             // in the middle of ten seconds
constexpr uint64_t kRealtime = 1'700'000'000 * kSecond;  // 2023-11-14 22:13:20 UTC

struct Site {
  uint64_t id = 0xabc;
  uint64_t open = 0;
  uint64_t in_use_peak = 0;
  uint64_t closed = 0;
  uint64_t life_ms = 0;    // of each of these
  uint64_t forgotten = 0;  // of `open`: idle in a transaction since `forgotten_ago_s`
  uint64_t forgotten_ago_s = 60;
  uint64_t running = 0;  // of `open`: in use for the last minute
  uint64_t unread = 0;   // of `open`: in the middle of an answer, left for `forgotten_ago_s`
  uint64_t age_s = 0;    // of those that are open; 0: as the process
  uint64_t apart_s = 0;  // each opened so much later than the one before
  uint64_t idle_s = 0;
  uint32_t uses = 0;  // of each that is open, of 8 ms
};

// Ten seconds, by how long ago they began (0: those that last).
struct Period {
  uint64_t ago = 0;
  uint32_t open = 0;
  uint32_t in_use = 0;
  uint32_t uses = 100;
  uint64_t busy_ms = 1'000;
  uint32_t opened = 0;
  uint32_t server_full = 0;
  uint32_t refused = 0;
  uint32_t closed = 0;
};

struct Proc {
  std::vector<Site> sites = {};
  std::vector<Period> periods = {};  // oldest first
  std::string service = "shop";
  uint64_t age_s = 300;
  uint64_t uses = 1'000;  // of 8 ms each
  uint64_t in_use_peak = 0;
  Life life = Life::kLive;
};

Snapshot Make(const Proc& proc) {
  Snapshot snapshot;
  snapshot.process.service = proc.service;
  snapshot.process.life = proc.life;
  snapshot.process.created_monotonic_ns = kNow - proc.age_s * kSecond;
  snapshot.process.created_realtime_ns = kRealtime - proc.age_s * kSecond;
  snapshot.as_of_ns = kNow;
  snapshot.targets.resize(1);
  snapshot.call_sites.resize(1);
  int32_t tid = 0;
  for (const Site& site : proc.sites) {
    CallSite call_site;
    call_site.id = site.id;
    call_site.open = site.open;
    call_site.peak = site.open;
    call_site.opened = site.open + site.closed;
    call_site.closed = site.closed;
    call_site.closed_life_ns = site.closed * site.life_ms * kMillisecond;
    call_site.in_use_peak = site.in_use_peak;
    call_site.first_ns = kNow - proc.age_s * kSecond;
    for (uint64_t i = 0; i < site.open; ++i) {
      Connection connection;
      connection.call_site = static_cast<uint32_t>(snapshot.call_sites.size());
      connection.tid = proc.sites.size() == 1 ? 1 : ++tid;
      const uint64_t age_s = site.age_s == 0 ? proc.age_s : site.age_s;
      connection.opened_ns = connection.established_ns =
          kNow - age_s * kSecond + i * site.apart_s * kSecond;
      connection.last_activity_ns = std::max(connection.opened_ns, kNow - site.idle_s * kSecond);
      connection.use_counts[0] = site.uses;
      connection.busy_ns = site.uses * 8 * kMillisecond;
      connection.backend_pid = static_cast<int32_t>(1'000 * snapshot.call_sites.size() + i);
      connection.commands = 1;
      connection.transaction = Transaction::kIdle;
      if (i < site.forgotten) {
        connection.transaction = Transaction::kOpen;
        connection.last_activity_ns = kNow - site.forgotten_ago_s * kSecond;
        connection.busy_since_ns = connection.last_activity_ns;
        ++snapshot.totals.in_use;
      } else if (i < site.unread) {
        connection.transaction = Transaction::kActive;
        connection.last_activity_ns = kNow - site.forgotten_ago_s * kSecond;
        connection.busy_since_ns = connection.last_activity_ns;
        ++snapshot.totals.in_use;
      } else if (i < site.forgotten + site.running) {
        connection.transaction = Transaction::kActive;
        connection.busy_since_ns = kNow - 60 * kSecond;
        ++snapshot.totals.in_use;
      }
      snapshot.connections.push_back(connection);
    }
    snapshot.totals.open += site.open;
    snapshot.totals.in_use_peak += site.in_use_peak;
    snapshot.call_sites.push_back(call_site);
  }
  if (proc.in_use_peak != 0) snapshot.totals.in_use_peak = proc.in_use_peak;
  snapshot.totals.peak = snapshot.totals.open;
  snapshot.times.use.sum_ns = proc.uses * 8 * kMillisecond;
  snapshot.times.use.buckets[13] = proc.uses;  // up to 8.192 ms
  for (const Period& period : proc.periods) {
    HistoryPeriod happened;
    happened.period = kNow / kHistoryPeriodNs - period.ago;
    happened.open_peak = period.open;
    happened.in_use_peak = period.in_use;
    happened.uses = period.uses;
    happened.busy_ns = period.busy_ms * kMillisecond;
    happened.opened = period.opened;
    happened.server_full = period.server_full;
    happened.refused = period.refused;
    happened.closed = period.closed;
    snapshot.history.push_back(happened);
  }
  return snapshot;
}

Advice AdviceOn(const std::vector<Proc>& processes, const AdviceOptions& options = {},
                const std::vector<CapsPolicy>& caps = {}) {
  std::vector<Snapshot> snapshots;
  for (const Proc& process : processes) snapshots.push_back(Make(process));
  return Advise(snapshots, GroupCallSites(snapshots), caps, options, {kRealtime, "host"});
}

ServiceAdvice Of(const std::vector<Proc>& processes, const AdviceOptions& options = {}) {
  const Advice advice = AdviceOn(processes, options);
  EXPECT_EQ(advice.services.size(), 1u);
  return advice.services.empty() ? ServiceAdvice() : advice.services.front();
}

std::string Arithmetic(const ServiceAdvice& service) {
  std::string text;
  for (const ProposedCap& cap : service.caps) {
    for (const std::string& sentence : cap.arithmetic) text += sentence + "\n";
  }
  return text;
}

// The limit of the service; 0: none is proposed.
uint64_t Limit(const ServiceAdvice& service) {
  return service.caps.empty() ? 0 : service.caps.front().limit;
}

// What would do for it.
uint64_t Enough(const ServiceAdvice& service) {
  return service.caps.empty() ? 0 : service.caps.front().enough;
}

// Whether anything is to be done while it runs.
bool IsLive(const ServiceAdvice& service) {
  return std::any_of(service.caps.begin(), service.caps.end(),
                     [](const ProposedCap& cap) { return cap.live; });
}

std::string TextOf(const Advice& advice) {
  std::ostringstream text;
  RenderAdviceText(advice, false, text);
  return text.str();
}

TEST(AdviceTest, HeadroomIsRoundedUp) {
  struct Case {
    uint64_t connections;
    uint32_t percent;
    uint64_t limit;
  };
  for (const Case& test :
       {Case{0, 25, 1}, Case{1, 0, 1}, Case{1, 25, 2}, Case{4, 25, 5}, Case{5, 25, 7},
        Case{4, 50, 6}, Case{100, 1, 101}, Case{~uint64_t{0}, 1'000, 1'000'000}}) {
    EXPECT_EQ(WithHeadroom(test.connections, test.percent), test.limit)
        << test.connections << " + " << test.percent << " %";
  }
}

TEST(AdviceTest, ThePeakInUseAndHeadroom) {
  const ServiceAdvice service =
      Of({{.sites = {{.open = 38, .in_use_peak = 4}},
           .periods = {{.ago = 3, .open = 38, .in_use = 4}, {.ago = 0, .open = 38, .in_use = 2}}}});
  EXPECT_EQ(Enough(service), 5u);
  EXPECT_EQ(Limit(service), 48u);
  EXPECT_EQ(service.caps.size(), 1u);
  EXPECT_EQ(service.little_data, "");
  EXPECT_THAT(
      Arithmetic(service),
      HasSubstr("limit 48 = 38 open at once at the peak + 25 % headroom, rounded up, so that "
                "it is never reached\n"
                "5 would do: 4 in use at once at the peak (22:12:45 UTC) + 25 % headroom, "
                "rounded up\n"));
  EXPECT_EQ(service.caps.front().wait_timeout_s, 1u);
}

TEST(AdviceTest, APeakFromBeforeTheHistoryCounts) {
  EXPECT_EQ(Enough(Of({{.sites = {{.open = 10, .in_use_peak = 8}},
                        .periods = {{.ago = 0, .open = 10, .in_use = 2}}}})),
            10u);
}

// 4 workers with 2 in use each, at different times: no more than 3 at the same.
TEST(AdviceTest, PeaksAtDifferentTimesDoNotAddUp) {
  std::vector<Proc> workers;
  for (uint64_t i = 0; i < 4; ++i) {
    Proc worker{.sites = {{.open = 10, .in_use_peak = 2}}};
    for (uint64_t ago = 4; ago-- > 0;) {
      worker.periods.push_back({.ago = ago, .open = 10, .in_use = ago == i ? 2u : 0u});
    }
    workers.push_back(worker);
  }
  const ServiceAdvice service = Of(workers);
  EXPECT_EQ(service.demand.in_use_peak.connections, 2u);
  EXPECT_EQ(service.demand.process_peak.connections, 2u);
  EXPECT_EQ(service.demand.open_peak, 40u);
  // What a worker's pool keeps no other worker can have.
  ASSERT_EQ(service.caps.size(), 2u);
  EXPECT_EQ(service.caps[1].scope, "process");
  EXPECT_EQ(service.caps[1].enough, 3u);
  EXPECT_EQ(Enough(service), 12u);
  EXPECT_EQ(service.caps[1].limit, 13u);
  EXPECT_EQ(Limit(service), 52u);
  EXPECT_THAT(Arithmetic(service), HasSubstr("limit 52 = 4 processes × 13 each"));
  EXPECT_THAT(service.notes, Contains(HasSubstr("a pooler that they share would do with 3")));
}

// What runs through a period without an event has no record there, and is in use all the same.
TEST(AdviceTest, AQueryThatRunsThroughAPeriodCounts) {
  const Proc busy{.sites = {{.open = 3, .in_use_peak = 3, .running = 3}}};
  const Proc other{.sites = {{.open = 2, .in_use_peak = 2}},
                   .periods = {{.ago = 2, .open = 2, .in_use = 2}}};
  EXPECT_EQ(Of({busy, other}).demand.in_use_peak.connections, 5u);
}

TEST(AdviceTest, ForgottenInATransactionIsNotNeeded) {
  const ServiceAdvice service = Of(
      {{.sites = {{.open = 12, .in_use_peak = 12, .forgotten = 10, .forgotten_ago_s = 60}},
        .periods = {{.ago = 2, .open = 12, .in_use = 12}, {.ago = 0, .open = 12, .in_use = 12}}}});
  EXPECT_EQ(service.demand.forgotten, 10u);
  EXPECT_EQ(service.demand.in_use_peak.connections, 2u);
  EXPECT_EQ(Enough(service), 3u);
  EXPECT_THAT(service.notes,
              Contains(HasSubstr("10 of the 10 in use now are idle in a transaction")));
}

// An answer of which nothing more is read; one that is being read is use for a minute.
TEST(AdviceTest, AbandonedInAnAnswerIsNotNeeded) {
  const auto left_for = [](uint64_t seconds) {
    return Of(
        {{.sites = {{.open = 12, .in_use_peak = 12, .forgotten_ago_s = seconds, .unread = 10}},
          .periods = {{.ago = 0, .open = 12, .in_use = 12}}}});
  };
  EXPECT_EQ(left_for(60).demand.forgotten, 10u);
  EXPECT_EQ(Enough(left_for(60)), 3u);
  EXPECT_EQ(left_for(59).demand.forgotten, 0u);
  EXPECT_EQ(Enough(left_for(59)), 15u);
}

// Nine seconds are a program that thinks between two statements.
TEST(AdviceTest, AShortPauseInATransactionIsUse) {
  const ServiceAdvice service =
      Of({{.sites = {{.open = 12, .in_use_peak = 12, .forgotten = 10, .forgotten_ago_s = 9}},
           .periods = {{.ago = 0, .open = 12, .in_use = 12}}}});
  EXPECT_EQ(service.demand.forgotten, 0u);
  EXPECT_EQ(Enough(service), 15u);
}

std::vector<Period> Busy(uint32_t open, uint64_t busy_ms) {
  std::vector<Period> periods;
  for (uint64_t ago = 6; ago-- > 0;) {
    periods.push_back({.ago = ago, .open = open, .in_use = open, .uses = 200, .busy_ms = busy_ms});
  }
  return periods;
}

TEST(AdviceTest, ALimitThatBindsIsDoubled) {
  const Proc pool{.sites = {{.open = 2, .in_use_peak = 2, .uses = 100}},
                  .periods = Busy(2, 19'500)};
  const ServiceAdvice service = Of({pool});
  EXPECT_EQ(service.situation.it, Case::kTooSmall);
  EXPECT_EQ(Limit(service), 4u);
  EXPECT_THAT(Arithmetic(service), HasSubstr("limit 4 = 2 × the 2 that are in use all the time"));
  EXPECT_THAT(service.notes, Contains(HasSubstr("Little's law")));
}

TEST(AdviceTest, ABusyPoolThatKeepsUpDoesNotBind) {
  const ServiceAdvice service =
      Of({{.sites = {{.open = 2, .in_use_peak = 2, .uses = 100}}, .periods = Busy(2, 12'000)}});
  EXPECT_EQ(service.situation.it, Case::kFine);
  EXPECT_EQ(Limit(service), 3u);
}

// Who has one connection, and is busy, waits for none.
TEST(AdviceTest, WorkersWithAConnectionEachAreNotDoubled) {
  const Proc worker{.sites = {{.open = 1, .in_use_peak = 1, .uses = 100}},
                    .periods = Busy(1, 9'900)};
  const ServiceAdvice service = Of({worker, worker, worker, worker});
  EXPECT_EQ(service.situation.it, Case::kFine);
  EXPECT_EQ(service.caps[1].limit, 2u);
  EXPECT_THAT(service.summary, HasSubstr("no limit needed"));
}

// The same pool, full since its uses take ten times as long: a larger one would not help.
TEST(AdviceTest, WhereUsesBecameSlowerNothingIsDoubled) {
  Proc pool{.sites = {{.open = 2, .in_use_peak = 2, .uses = 100}}, .periods = Busy(2, 2'000)};
  for (uint64_t ago = 6; ago-- > 3;) pool.periods[5 - ago].busy_ms = 1'950;
  for (uint64_t ago = 3; ago-- > 0;) pool.periods[5 - ago].busy_ms = 19'500;
  const ServiceAdvice service = Of({pool});
  EXPECT_EQ(service.situation.it, Case::kSlower);
  EXPECT_EQ(Limit(service), 3u);
  EXPECT_THAT(
      service.summary,
      HasSubstr("no limit helps: a use takes 97 ms, and took 9 ms, so that all 2 are taken"));
  EXPECT_THAT(Arithmetic(service), Not(HasSubstr("2 ×")));
}

TEST(AdviceTest, ConnectForEachRequestIsCountedByLittlesLaw) {
  // 60 connects in ten seconds × 500 ms each = 3 at once.
  const ServiceAdvice service =
      Of({{.sites = {{.open = 1, .in_use_peak = 1, .closed = 300, .life_ms = 500}},
           .periods = {{.ago = 1, .open = 4, .in_use = 1, .opened = 60},
                       {.ago = 0, .open = 3, .in_use = 1, .opened = 30}}}});
  EXPECT_TRUE(service.demand.short_lived);
  EXPECT_EQ(Enough(service), 4u);
  EXPECT_THAT(
      Arithmetic(service),
      HasSubstr("4 would do: 3 at once (6.0 connects a second at the peak × 500 ms that each "
                "is kept: Little's law) + 25 % headroom"));
}

// What a cap refused is demand, too.
TEST(AdviceTest, RefusedConnectsAreArrivals) {
  const ServiceAdvice service =
      Of({{.sites = {{.open = 2, .in_use_peak = 2, .closed = 300, .life_ms = 1'000}},
           .periods = {{.ago = 1, .open = 2, .in_use = 2, .opened = 20, .refused = 40}}}});
  EXPECT_EQ(service.demand.little, 6u);
  EXPECT_EQ(Limit(service), 8u);
  EXPECT_FALSE(IsLive(service));
}

// ------------------------------------------------------------------------------------------------
// Whether a limit is needed, and whether it does good at once.

// Works well, and no server was ever full for it: whatever it has open, nothing is to be done.
TEST(AdviceTest, AHealthyServiceNeedsNoLimit) {
  const Proc pool{.sites = {{.open = 10, .in_use_peak = 2}},
                  .periods = {{.ago = 0, .open = 10, .in_use = 2}}};
  const Advice advice = AdviceOn({pool});
  const ServiceAdvice& service = advice.services[0];
  EXPECT_EQ(service.situation.it, Case::kFine);
  EXPECT_FALSE(service.needed);
  EXPECT_FALSE(IsLive(service));
  EXPECT_EQ(service.summary,
            "no limit needed: at most 2 were in use at once, and 10 open at once; the server has "
            "never been full for it");
  EXPECT_EQ(Limit(service), 13u);
  EXPECT_THAT(TextOf(advice), Not(HasSubstr("caps add")));
  EXPECT_THAT(TextOf(advice), HasSubstr("--max N shares the N slots of a server out"));
  EXPECT_THAT(TextOf(advice), HasSubstr("has limit 13, which it has never reached"));
}

// Connects for each request, 6 a second, one or two at once.
TEST(AdviceTest, AHealthyConnectPerRequestNeedsNoLimit) {
  const ServiceAdvice service =
      Of({{.sites = {{.open = 1, .in_use_peak = 2, .closed = 300, .life_ms = 150, .age_s = 1}},
           .periods = {{.ago = 1, .open = 2, .in_use = 2, .opened = 60}}}});
  EXPECT_EQ(service.situation.it, Case::kFine);
  EXPECT_FALSE(IsLive(service));
  EXPECT_GE(Limit(service), 3u);
}

Proc Flood() {
  return {.sites = {{.open = 17, .in_use_peak = 17, .closed = 500, .life_ms = 900, .age_s = 1}},
          .periods = {{.ago = 0, .open = 17, .in_use = 17, .opened = 100, .server_full = 12}}};
}

TEST(AdviceTest, WhoFilledTheServerLeavesRoom) {
  const ServiceAdvice service = Of({Flood()});
  EXPECT_EQ(service.situation.it, Case::kFlood);
  EXPECT_TRUE(service.needed);
  EXPECT_EQ(Limit(service), 13u);
  EXPECT_THAT(Arithmetic(service), HasSubstr("lowered to 13 = 80 % of the 17"));
  // Slots come free under it by themselves.
  EXPECT_TRUE(IsLive(service));
  EXPECT_THAT(
      TextOf(AdviceOn({Flood()})),
      HasSubstr("    pqleash caps add advised-shop --service shop --scope service --limit 13 "
                "--on-limit wait --wait-timeout 9s --force\n"));
  // --max says how many there are.
  EXPECT_EQ(Limit(Of({Flood()}, {.max = 10})), 10u);
}

// Who asks again is told so, and nothing is raised.
TEST(AdviceTest, ACapThatLeavesRoomIsLeft) {
  CapsPolicy cap;
  snprintf(cap.policy.filed.name, sizeof cap.policy.filed.name, "advised-shop");
  cap.policy.filed.kind = caps::kCap;
  cap.policy.filed.scope = caps::kScopeService;
  cap.policy.service = "shop";
  const auto with_limit = [&](uint32_t limit) {
    cap.policy.rule.limit = limit;
    return AdviceOn({Flood()}, {}, {cap}).services[0];
  };
  EXPECT_FALSE(IsLive(with_limit(13)));
  EXPECT_THAT(with_limit(13).at_once,
              Contains("the cap advised-shop of 13 is in force and leaves that room"));
  EXPECT_FALSE(IsLive(with_limit(9)));
  EXPECT_TRUE(IsLive(with_limit(14)));
}

// The same with connections that are kept: at the limit it would wait for itself. What is idle can
// be ended on the server.
TEST(AdviceTest, WhoKeepsWhatFilledTheServerIsLeftAloneWhileItRuns) {
  Proc hoard = Flood();
  hoard.sites[0] = {.open = 17, .in_use_peak = 8};
  hoard.sites[0].idle_s = 60;
  hoard.periods[0].in_use = 8;
  const Advice advice = AdviceOn({hoard});
  const ServiceAdvice& service = advice.services[0];
  EXPECT_EQ(service.situation.it, Case::kHoard);
  EXPECT_TRUE(service.needed);
  EXPECT_FALSE(IsLive(service));
  EXPECT_EQ(Limit(service), 10u) << "what it needs";
  EXPECT_THAT(service.at_once,
              Contains(HasSubstr("no limit gives a slot back: the 17 open are kept")));
  EXPECT_THAT(service.at_once,
              Contains("what does: a restart with the limit in its file, 10 open in place of 17"));
  // All were opened in the first seconds: the pool will do so again.
  EXPECT_THAT(service.at_once, Contains(HasSubstr("it opens 17 in its first seconds")));
  EXPECT_EQ(service.idle_backends.size(), 7u);
  EXPECT_THAT(TextOf(advice), Not(HasSubstr("caps add")));
  EXPECT_THAT(TextOf(advice), HasSubstr("pg_terminate_backend(pid)"));
  EXPECT_THAT(TextOf(advice), HasSubstr("(1000,1001,1002,1003,1004,1005,1006)"));
}

// One of these may be in use by now.
TEST(AdviceTest, WhatWasUsedOfLateIsNotEnded) {
  Proc hoard = Flood();
  hoard.sites[0].age_s = 200;
  for (const uint64_t idle_s : {29u, 30u}) {
    hoard.sites[0].idle_s = idle_s;
    EXPECT_EQ(Of({hoard}).idle_backends.empty(), idle_s == 29) << idle_s;
  }
}

// Holds fewer than would fill anything.
TEST(AdviceTest, AVictimOfAFullServerIsLeftAlone) {
  const ServiceAdvice victim =
      Of({{.sites = {{.open = 2, .in_use_peak = 2}},
           .periods = {{.ago = 0, .open = 2, .in_use = 2, .server_full = 9}}}});
  EXPECT_EQ(victim.situation.it, Case::kVictim);
  EXPECT_TRUE(victim.caps.empty());
  EXPECT_EQ(victim.summary,
            "no limit needed here: the server had no slot left for 9 of its connects, and 2 were "
            "open here then at most: others have filled it, see `pqleash report`");
}

// 8 as ever: who has filled the server has grown.
TEST(AdviceTest, WhoHoldsWhatItAlwaysDidIsAVictim) {
  const auto before = [](uint32_t open) {
    return Of({{.sites = {{.open = 8, .in_use_peak = 2}},
                .periods = {{.ago = 3, .open = open, .in_use = 2},
                            {.ago = 2, .open = open, .in_use = 2},
                            {.ago = 0, .open = 8, .in_use = 2, .server_full = 9}}}});
  };
  EXPECT_EQ(before(8).situation.it, Case::kVictim);
  EXPECT_EQ(before(6).situation.it, Case::kVictim);
  EXPECT_EQ(before(5).situation.it, Case::kHoard);
}

// Beside one that holds more than twice as many.
TEST(AdviceTest, TheSmallerHolderIsAVictim) {
  const auto of_other = [](uint32_t held) {
    const Proc other{.sites = {{.open = 8, .in_use_peak = 2}},
                     .periods = {{.ago = 0, .open = held, .in_use = 2, .server_full = 9}},
                     .service = "other"};
    return AdviceOn({Flood(), other}).services[0].situation.it;
  };
  EXPECT_EQ(of_other(8), Case::kVictim);
  EXPECT_EQ(of_other(9), Case::kHoard);
}

TEST(AdviceTest, AFullServerOfLongAgoIsSaid) {
  Snapshot snapshot = Make({.sites = {{.open = 10, .in_use_peak = 2}}});
  snapshot.totals.server_full = 3;
  const std::vector<Snapshot> snapshots = {snapshot};
  const Advice advice = Advise(snapshots, GroupCallSites(snapshots), {}, {}, {kRealtime, "host"});
  EXPECT_THAT(advice.services[0].summary,
              HasSubstr("the server has not been full for it in the last 21m"));
}

TEST(AdviceTest, APlaceThatHoardsGetsALimitOfItsOwn) {
  const auto with_full = [](uint32_t server_full) {
    return Of({{.sites = {{.id = 1, .open = 30, .in_use_peak = 1},
                          {.id = 2, .open = 2, .in_use_peak = 2}},
                .periods = {{.ago = 0, .open = 32, .in_use = 2, .server_full = server_full}}}});
  };
  const ServiceAdvice service = with_full(1);
  ASSERT_EQ(service.caps.size(), 2u);
  EXPECT_EQ(service.caps[0].limit, 5u);
  EXPECT_EQ(service.caps[1].limit, 2u);
  EXPECT_EQ(service.caps[1].call_site, 1u);
  EXPECT_THAT(Arithmetic(service), HasSubstr("limit 5 = 2 + 3 for the 2 places"));
  // Where there is room for it, it hurts nobody.
  EXPECT_EQ(with_full(0).caps.size(), 1u);
  EXPECT_EQ(Limit(with_full(0)), 40u);
}

TEST(AdviceTest, APlaceWithSeveralIdsGetsNone) {
  const std::vector<Snapshot> snapshots = {Make(
      {.sites = {{.id = 1, .open = 30, .in_use_peak = 1}, {.id = 2, .open = 2, .in_use_peak = 2}},
       .periods = {{.ago = 0, .open = 32, .in_use = 2, .server_full = 1}}})};
  std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  for (CallSiteGroup& group : groups) {
    if (group.id == 1) group.ids = {1, 3, 4};
  }
  const Advice advice = Advise(snapshots, groups, {}, {}, {kRealtime, "host"});
  EXPECT_EQ(advice.services[0].caps.size(), 1u) << "of the service alone";
  EXPECT_THAT(advice.services[0].notes, Contains(HasSubstr("made 3 calls of that line")));
}

TEST(AdviceTest, TooLittle) {
  const ServiceAdvice young = Of({{.sites = {{.open = 4, .in_use_peak = 2}}, .age_s = 29}});
  EXPECT_EQ(Enough(young), 3u);
  EXPECT_THAT(young.little_data, HasSubstr("measured for 29 s only"));
  EXPECT_EQ(Of({{.sites = {{.open = 4, .in_use_peak = 2}}, .age_s = 30}}).little_data, "");
  EXPECT_THAT(Of({{.sites = {{.open = 4, .in_use_peak = 2}}, .uses = 19}}).little_data,
              HasSubstr("measured in 19 uses only"));
  EXPECT_EQ(Of({{.sites = {{.open = 4, .in_use_peak = 2}}, .uses = 20}}).little_data, "");
  const ServiceAdvice unused = Of({{.sites = {{.open = 4}}, .uses = 0}});
  EXPECT_TRUE(unused.caps.empty());
  EXPECT_THAT(unused.little_data, HasSubstr("no connection was used yet"));
}

// With --all: what a dead process had open nobody has now, and what it needed was needed.
TEST(AdviceTest, TheDeadHoldNothing) {
  const Proc dead{.sites = {{.open = 30, .in_use_peak = 8}}, .life = Life::kEnded};
  const Proc living{.sites = {{.open = 5, .in_use_peak = 2}}};
  const ServiceAdvice both = Of({dead, living});
  EXPECT_EQ(both.demand.open, 5u);
  EXPECT_EQ(both.call_sites.front().open, 5u);
  EXPECT_EQ(both.demand.process_peak.connections, 8u);
  EXPECT_EQ(Of({dead}).demand.open, 30u) << "as of its end";
}

// 20 connections that were used once each, one a second, while newer ones were opened.
Snapshot Leaking(uint32_t server_full) {
  Proc proc{.sites = {{.open = 20, .in_use_peak = 1}}};
  if (server_full != 0)
    proc.periods = {{.ago = 0, .open = 20, .in_use = 1, .opened = 20, .server_full = server_full}};
  Snapshot snapshot = Make(proc);
  for (size_t i = 0; i < snapshot.connections.size(); ++i) {
    Connection& connection = snapshot.connections[i];
    connection.opened_ns = connection.established_ns = kNow - (80 - 2 * i) * kSecond;
    connection.last_activity_ns = connection.opened_ns + kMillisecond;
  }
  return snapshot;
}

ServiceAdvice OfLeaking(uint32_t server_full) {
  const std::vector<Snapshot> snapshots = {Leaking(server_full)};
  return Advise(snapshots, GroupCallSites(snapshots), {}, {}, {kRealtime, "host"}).services[0];
}

// Nor is it capped below what it has: it would stop at its next connect. In the file there is room
// for as long as it took to come so far.
TEST(AdviceTest, ALeakIsNotNeeded) {
  const ServiceAdvice service = OfLeaking(0);
  EXPECT_EQ(service.situation.it, Case::kLeak);
  EXPECT_EQ(Enough(service), 2u);
  EXPECT_EQ(Limit(service), 25u);
  EXPECT_FALSE(IsLive(service));
  EXPECT_TRUE(service.idle_backends.empty());
  EXPECT_THAT(service.summary, HasSubstr("no limit mends a leak"));
  EXPECT_THAT(service.notes, Contains(HasSubstr("are not counted as needed; a limit")));
}

// Once it has filled the server others need room, and a restart gives it; what was left behind can
// be ended by hand.
TEST(AdviceTest, ALeakThatFilledTheServerLeavesRoomFromItsNextStart) {
  const ServiceAdvice service = OfLeaking(3);
  EXPECT_EQ(service.situation.it, Case::kFullLeak);
  EXPECT_TRUE(service.needed);
  EXPECT_EQ(Limit(service), 16u);
  EXPECT_THAT(Arithmetic(service), HasSubstr("raised to 16 = 80 % of the 20"));
  EXPECT_FALSE(IsLive(service));
  EXPECT_THAT(service.at_once, Contains(HasSubstr("are left behind, and a cap closes none")));
  EXPECT_FALSE(service.idle_backends.empty());
}

TEST(AdviceTest, SlotsAreSharedOut) {
  const Proc a{.sites = {{.open = 20, .in_use_peak = 16}}, .service = "a"};
  const Proc b{.sites = {{.open = 10, .in_use_peak = 8}}, .service = "b"};
  const Advice fits = AdviceOn({a, b}, {.max = 38});
  EXPECT_EQ(fits.sum, 38u);
  EXPECT_EQ(Limit(fits.services[0]), 25u);
  EXPECT_THAT(fits.shares,
              Contains("the limits add up to 38 of the 38 slots to share: 0 are left"));
  // 20 and 10 would do: 4 are left, for 5 and 3 more.
  const Advice tight = AdviceOn({a, b}, {.max = 34});
  EXPECT_EQ(Limit(tight.services[0]), 22u);
  EXPECT_EQ(Limit(tight.services[1]), 11u);
  EXPECT_THAT(Arithmetic(tight.services[0]),
              HasSubstr("lowered to 22 = 20 that would do + 2 of the 4 slots that nobody needs"));
  const Advice lowered = AdviceOn({a, b}, {.max = 12});
  EXPECT_EQ(Limit(lowered.services[0]), 8u);
  EXPECT_EQ(Limit(lowered.services[1]), 4u);
  EXPECT_THAT(Arithmetic(lowered.services[0]),
              HasSubstr("lowered to 8 = 20 × 12 slots to share / 30"));
  EXPECT_THAT(lowered.services[0].notes, Contains(HasSubstr("16 were in use at once at the peak")));
  const Advice workers = AdviceOn({a, a, a, a}, {.max = 43});
  ASSERT_EQ(workers.services[0].caps.size(), 2u);
  EXPECT_EQ(Limit(workers.services[0]), 43u);
  EXPECT_EQ(workers.services[0].caps[1].limit, 10u);
  EXPECT_THAT(Arithmetic(workers.services[0]),
              HasSubstr("lowered to 10 = 43 of the service / 4 processes, rounded down"));
  const Advice hopeless = AdviceOn({a, b}, {.max = 1});
  EXPECT_EQ(hopeless.sum, 2u);
  EXPECT_THAT(hopeless.shares, Contains(HasSubstr("even with one connection for each process")));
}

// Who names a maximum gets commands, where these leave the program's own pool as it is.
TEST(AdviceTest, AMaximumIsLiveWhereThePoolHasRoom) {
  const Proc pool{.sites = {{.open = 10, .in_use_peak = 2}}};
  EXPECT_TRUE(IsLive(Of({pool}, {.max = 13})));
  const ServiceAdvice tight = Of({pool}, {.max = 12});
  EXPECT_EQ(Limit(tight), 12u);
  EXPECT_FALSE(IsLive(tight));
  EXPECT_THAT(tight.at_once, Contains(HasSubstr("a pool that has had 10 open")));
  // Where connections come and go, those that wait are served in turn.
  EXPECT_TRUE(IsLive(
      Of({{.sites = {{.open = 10, .in_use_peak = 10, .closed = 300, .life_ms = 150, .age_s = 1}}}},
         {.max = 5})));
}

TEST(AdviceTest, ACapInForceIsChangedAndItsQueueIsDemand) {
  CapsPolicy cap;
  snprintf(cap.policy.filed.name, sizeof cap.policy.filed.name, "db");
  cap.policy.filed.kind = caps::kCap;
  cap.policy.filed.scope = caps::kScopeService;
  cap.policy.service = "shop";
  cap.policy.counters.waiting = 6;
  const Proc pool{.sites = {{.open = 2, .in_use_peak = 2}}};
  cap.policy.rule.limit = 2;
  const Advice advice = AdviceOn({pool}, {}, {cap});
  EXPECT_EQ(advice.services[0].situation.it, Case::kQueue);
  EXPECT_EQ(Limit(advice.services[0]), 10u);
  EXPECT_EQ(advice.services[0].caps[0].existing, "db");
  std::ostringstream text;
  RenderAdviceText(advice, false, text);
  EXPECT_THAT(text.str(), HasSubstr("pqleash caps set db --service shop --limit 10\n"));
  cap.policy.filed.scope = caps::kScopeProcess;
  EXPECT_TRUE(IsLive(AdviceOn({pool}, {}, {cap}).services[0])) << "of one process it is the same";
  // It is not lowered while nobody asks for the room.
  cap.policy.rule.limit = 20;
  EXPECT_FALSE(IsLive(AdviceOn({pool}, {}, {cap}).services[0]));
  cap.policy.counters.waiting = 0;
  EXPECT_FALSE(IsLive(AdviceOn({pool}, {}, {cap}).services[0]));
}

// What the findings say would do is what is proposed.
TEST(AdviceTest, TheReportAndTheAdviceHaveTheSameNumbers) {
  const std::vector<Snapshot> hoard = {Make({.sites = {{.open = 38, .in_use_peak = 4}}})};
  const std::vector<CallSiteGroup> places = GroupCallSites(hoard);
  const std::vector<Finding> surplus =
      FindOverProvisioned({.snapshots = hoard, .call_sites = places, .thresholds = {}});
  ASSERT_EQ(surplus.size(), 1u);
  EXPECT_THAT(surplus[0].advice, HasSubstr(": 5 would do for what was in use"));
  EXPECT_EQ(Advise(hoard, places, {}, {}, {kRealtime, "host"}).services[0].caps[0].enough, 5u);

  // 12 that somebody has forgotten in transactions are no part of the pool that would do.
  const std::vector<Snapshot> churn = {
      Make({.sites = {{.open = 15,
                       .in_use_peak = 14,
                       .closed = 300,
                       .life_ms = 150,
                       .forgotten = 12,
                       .age_s = 50}},
            .periods = {{.ago = 2, .open = 15, .in_use = 14, .opened = 60, .closed = 60},
                        {.ago = 1, .open = 15, .in_use = 14, .opened = 60, .closed = 60},
                        {.ago = 0, .open = 15, .in_use = 14, .opened = 30, .closed = 30}},
            .age_s = 60})};
  std::vector<Snapshot> lately = churn;
  lately[0].call_sites[1].last_ns = kNow;
  const std::vector<CallSiteGroup> sites = GroupCallSites(lately);
  const std::vector<Finding> churning =
      FindConnectionChurn({.snapshots = lately, .call_sites = sites, .thresholds = {}});
  ASSERT_EQ(churning.size(), 1u);
  EXPECT_THAT(churning[0].advice, HasSubstr("a pool of 3 in the program"));
  EXPECT_THAT(Advise(lately, sites, {}, {}, {kRealtime, "host"}).services[0].notes,
              Contains(HasSubstr("a pool of 3 would do")));
}

TEST(AdviceTest, NothingOfAHostileNameReachesTheOutput) {
  const std::string service = "x\"\n[[cap]]\nlimit = 1\x1b[31m'; rm -rf /";
  const Advice advice = AdviceOn({{.sites = {{.open = 4, .in_use_peak = 2}}, .service = service}});
  std::ostringstream text;
  RenderAdviceText(advice, false, text);
  EXPECT_THAT(text.str(), Not(HasSubstr("\x1b")));
  EXPECT_THAT(text.str(), Not(HasSubstr("caps add")));
  std::ostringstream toml;
  RenderAdviceToml(advice, advice.services[0], toml);
  EXPECT_THAT(toml.str(), Not(HasSubstr("\x1b")));
  std::istringstream lines(toml.str());
  int caps = 0;
  for (std::string line; std::getline(lines, line);) caps += line == "[[cap]]";
  EXPECT_EQ(caps, 1) << toml.str();
}

// -------------------------------------------------------------------------------------------------
// The command.

Outcome Pqleash(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), PQLEASH_TOOL);
  return Execute(arguments);
}

TEST(AdviseCommandTest, ItsConfigurationIsAccepted) {
  const ScratchDirectory directory;
  const std::string ledger = directory.path() + "/example";
  ExampleLedger().WriteTo(ledger);
  const Outcome advised = Pqleash({"advise", "--format", "toml", ledger});
  ASSERT_EQ(advised.exit_code, 0) << advised.err;
  EXPECT_THAT(advised.out, HasSubstr("[[cap]]"));
  const std::string file = directory.path() + "/advised.toml";
  WriteFile(file, advised.out);
  const Outcome checked = Pqleash({"check", file});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err << advised.out;
}

TEST(AdviseCommandTest, BadUsageIsOneSentence) {
  struct Case {
    std::vector<std::string> arguments;
    const char* sentence;
  };
  const Case cases[] = {
      {{"advise", "--headroom", "much"},
       "pqleash: advise: --headroom: 'much' is no headroom, expected per cent from 0 to 1000, such "
       "as 25%; see `pqleash advise --help`\n"},
      {{"advise", "--headroom", "1001"},
       "pqleash: advise: --headroom: '1001' is no headroom, expected per cent from 0 to 1000, such "
       "as 25%; see `pqleash advise --help`\n"},
      {{"advise", "--format", "xml"},
       "pqleash: advise: --format: 'xml' is no format, expected text, json or toml; see `pqleash "
       "advise --help`\n"},
  };
  for (const Case& test : cases) {
    const Outcome outcome = Pqleash(test.arguments);
    EXPECT_EQ(outcome.exit_code, 2) << test.sentence;
    EXPECT_EQ(outcome.err, test.sentence);
  }
}

}  // namespace
}  // namespace pqleash::reporter
