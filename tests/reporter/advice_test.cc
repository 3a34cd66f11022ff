// SPDX-License-Identifier: Apache-2.0
//
// Limits from measured numbers: each case is a service in the words of a test, and what is to be
// proposed for it.

#include "reporter/advice/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

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
      connection.opened_ns = connection.established_ns = kNow - proc.age_s * kSecond;
      connection.last_activity_ns = kNow;
      connection.commands = 1;
      connection.transaction = Transaction::kIdle;
      if (i < site.forgotten) {
        connection.transaction = Transaction::kOpen;
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
  EXPECT_EQ(Limit(service), 5u);
  EXPECT_EQ(service.caps.size(), 1u);
  EXPECT_EQ(service.little_data, "");
  EXPECT_THAT(Arithmetic(service),
              HasSubstr("limit 5 = 4 in use at once at the peak (22:12:45 UTC) + 25 % headroom, "
                        "rounded up\n"));
  EXPECT_THAT(Arithmetic(service),
              HasSubstr("now 38 are open: 33 connections fewer on the server\n"));
  EXPECT_EQ(service.caps.front().wait_timeout_s, 1u);
}

TEST(AdviceTest, APeakFromBeforeTheHistoryCounts) {
  EXPECT_EQ(Limit(Of({{.sites = {{.open = 10, .in_use_peak = 8}},
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
  EXPECT_EQ(service.caps[1].limit, 3u);
  EXPECT_EQ(Limit(service), 12u);
  EXPECT_THAT(Arithmetic(service), HasSubstr("limit 12 = 4 processes × 3 each"));
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
  EXPECT_EQ(Limit(service), 3u);
  EXPECT_THAT(service.notes,
              Contains(HasSubstr("10 of the 10 in use now are idle in a transaction")));
}

// Nine seconds are a program that thinks between two statements.
TEST(AdviceTest, AShortPauseInATransactionIsUse) {
  const ServiceAdvice service =
      Of({{.sites = {{.open = 12, .in_use_peak = 12, .forgotten = 10, .forgotten_ago_s = 9}},
           .periods = {{.ago = 0, .open = 12, .in_use = 12}}}});
  EXPECT_EQ(service.demand.forgotten, 0u);
  EXPECT_EQ(Limit(service), 15u);
}

std::vector<Period> Busy(uint32_t open, uint64_t busy_ms) {
  std::vector<Period> periods;
  for (uint64_t ago = 6; ago-- > 0;) {
    periods.push_back({.ago = ago, .open = open, .in_use = open, .uses = 200, .busy_ms = busy_ms});
  }
  return periods;
}

TEST(AdviceTest, ALimitThatBindsIsDoubled) {
  const Proc pool{.sites = {{.open = 2, .in_use_peak = 2}}, .periods = Busy(2, 19'500)};
  const ServiceAdvice service = Of({pool});
  EXPECT_TRUE(service.demand.limit_binds);
  EXPECT_EQ(Limit(service), 4u);
  EXPECT_THAT(Arithmetic(service), HasSubstr("limit 4 = 2 × the 2 that are in use all the time"));
  EXPECT_THAT(service.notes, Contains(HasSubstr("Little's law")));
}

TEST(AdviceTest, ABusyPoolThatKeepsUpDoesNotBind) {
  const ServiceAdvice service =
      Of({{.sites = {{.open = 2, .in_use_peak = 2}}, .periods = Busy(2, 12'000)}});
  EXPECT_FALSE(service.demand.limit_binds);
  EXPECT_EQ(Limit(service), 3u);
}

TEST(AdviceTest, ConnectForEachRequestIsCountedByLittlesLaw) {
  // 60 connects in ten seconds × 500 ms each = 3 at once.
  const ServiceAdvice service =
      Of({{.sites = {{.open = 1, .in_use_peak = 1, .closed = 300, .life_ms = 500}},
           .periods = {{.ago = 1, .open = 4, .in_use = 1, .opened = 60},
                       {.ago = 0, .open = 3, .in_use = 1, .opened = 30}}}});
  EXPECT_TRUE(service.demand.short_lived);
  EXPECT_EQ(Limit(service), 4u);
  EXPECT_THAT(Arithmetic(service),
              HasSubstr("limit 4 = 3 at once (6.0 connects a second at the peak × 500 ms that each "
                        "is kept: Little's law) + 25 % headroom"));
}

// What a cap refused is demand, too.
TEST(AdviceTest, RefusedConnectsAreArrivals) {
  const ServiceAdvice service =
      Of({{.sites = {{.open = 2, .in_use_peak = 2, .closed = 300, .life_ms = 1'000}},
           .periods = {{.ago = 1, .open = 2, .in_use = 2, .opened = 20, .refused = 40}}}});
  EXPECT_EQ(service.demand.little, 6u);
  EXPECT_EQ(Limit(service), 8u);
}

TEST(AdviceTest, WhoFilledTheServerLeavesRoom) {
  const Proc spike{
      .sites = {{.open = 17, .in_use_peak = 17, .closed = 500, .life_ms = 900}},
      .periods = {{.ago = 0, .open = 17, .in_use = 17, .opened = 100, .server_full = 12}}};
  EXPECT_EQ(Limit(Of({spike})), 13u);
  EXPECT_THAT(Arithmetic(Of({spike})), HasSubstr("lowered to 13 = 80 % of the 17"));
  // --max says how many there are.
  EXPECT_EQ(Limit(Of({spike}, {.max = 10})), 10u);
  // A victim did not fill it.
  EXPECT_EQ(Limit(Of({{.sites = {{.open = 2, .in_use_peak = 2}},
                       .periods = {{.ago = 0, .open = 2, .in_use = 2, .server_full = 9}}}})),
            3u);
}

TEST(AdviceTest, APlaceThatHoardsGetsALimitOfItsOwn) {
  const ServiceAdvice service = Of(
      {{.sites = {{.id = 1, .open = 30, .in_use_peak = 1}, {.id = 2, .open = 2, .in_use_peak = 2}},
        .periods = {{.ago = 0, .open = 32, .in_use = 2}}}});
  ASSERT_EQ(service.caps.size(), 2u);
  EXPECT_EQ(service.caps[0].limit, 5u);
  EXPECT_EQ(service.caps[1].limit, 2u);
  EXPECT_EQ(service.caps[1].call_site, 1u);
  EXPECT_THAT(Arithmetic(service), HasSubstr("limit 5 = 2 + 3 for the 2 places"));
}

TEST(AdviceTest, TooLittle) {
  const ServiceAdvice young = Of({{.sites = {{.open = 4, .in_use_peak = 2}}, .age_s = 29}});
  EXPECT_EQ(Limit(young), 3u);
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
TEST(AdviceTest, ALeakIsNotNeeded) {
  Snapshot snapshot = Make({.sites = {{.open = 20, .in_use_peak = 1}}});
  for (size_t i = 0; i < snapshot.connections.size(); ++i) {
    Connection& connection = snapshot.connections[i];
    connection.opened_ns = connection.established_ns = kNow - (80 - 2 * i) * kSecond;
    connection.last_activity_ns = connection.opened_ns + kMillisecond;
  }
  const std::vector<Snapshot> snapshots = {snapshot};
  const Advice advice = Advise(snapshots, GroupCallSites(snapshots), {}, {}, {kRealtime, "host"});
  EXPECT_EQ(Limit(advice.services[0]), 2u);
  EXPECT_THAT(advice.services[0].notes, Contains(HasSubstr("are not counted as needed; a limit")));
}

TEST(AdviceTest, SlotsAreSharedOutInProportion) {
  const Proc a{.sites = {{.open = 20, .in_use_peak = 16}}, .service = "a"};
  const Proc b{.sites = {{.open = 10, .in_use_peak = 8}}, .service = "b"};
  const Advice fits = AdviceOn({a, b}, {.max = 30});
  EXPECT_EQ(fits.sum, 30u);
  EXPECT_THAT(fits.shares,
              Contains("the limits add up to 30 of the 30 slots to share: 0 are left"));
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

TEST(AdviceTest, ACapInForceIsChangedAndItsQueueIsDemand) {
  CapsPolicy cap;
  snprintf(cap.policy.filed.name, sizeof cap.policy.filed.name, "db");
  cap.policy.filed.kind = caps::kCap;
  cap.policy.filed.scope = caps::kScopeService;
  cap.policy.service = "shop";
  cap.policy.counters.waiting = 6;
  const Advice advice = AdviceOn({{.sites = {{.open = 2, .in_use_peak = 2}}}}, {}, {cap});
  EXPECT_EQ(Limit(advice.services[0]), 10u);
  EXPECT_EQ(advice.services[0].caps[0].existing, "db");
  std::ostringstream text;
  RenderAdviceText(advice, false, text);
  EXPECT_THAT(text.str(), HasSubstr("pqleash caps set db --service shop --limit 10\n"));
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
