// SPDX-License-Identifier: Apache-2.0
//
// Which backends are taken for those of our connections, and what is made of it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "reporter/render/server_text.h"
#include "reporter/server/join.h"
#include "reporter/server/server_report.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The process began at monotonic 1,000 s, when the host's clock said 50,000 s. Now it is 600 s
// later; the server's clock is 7,000 s ahead.
constexpr uint64_t kMonotonic = 1'000 * kSecond;
constexpr uint64_t kRealtime = 50'000 * kSecond;
constexpr uint64_t kNow = 600 * kSecond;
constexpr uint64_t kAhead = 7'000 * kSecond;

// On the server's clock, `s` after the process began.
uint64_t ServerTime(double s) {
  return kRealtime + kAhead + static_cast<uint64_t>(s * static_cast<double>(kSecond));
}

uint64_t LedgerTime(double s) {
  return kMonotonic + static_cast<uint64_t>(s * static_cast<double>(kSecond));
}

ServerView View() {
  ServerView view;
  view.address = {"/run/postgresql", "5432", "orders", "app", "", /*local=*/true};
  view.settings.version = 150'000;
  view.settings.max_connections = 20;
  view.settings.superuser_reserved = 3;
  view.settings.own_backend = 99;
  view.clock = {kRealtime + kAhead + kNow, kRealtime + kNow, kMonotonic + kNow, 0};
  view.backends_known = true;
  return view;
}

Backend Client(int32_t pid, double started_s) {
  Backend backend;
  backend.pid = pid;
  backend.dbname = "orders";
  backend.user = "app";
  backend.type = "client backend";
  backend.takes_slot = true;
  backend.state = "idle";
  backend.start_ns = ServerTime(started_s);
  return backend;
}

Backend Hidden(int32_t pid) {
  Backend backend = Client(pid, 0);
  backend.start_ns = 0;
  backend.state.clear();
  backend.hidden = true;
  return backend;
}

Snapshot Process() {
  Snapshot snapshot;
  snapshot.process.pid = snapshot.process.visible_pid = 4711;
  snapshot.process.service = "orders";
  snapshot.process.life = Life::kLive;
  snapshot.process.created_monotonic_ns = kMonotonic;
  snapshot.process.created_realtime_ns = kRealtime;
  snapshot.as_of_ns = kMonotonic + kNow;
  snapshot.call_sites.resize(2);
  snapshot.call_sites[1].id = 0xabc;
  snapshot.targets = {{}, {"/run/postgresql", "orders", "app", "", 5432}};
  return snapshot;
}

Connection& Add(Snapshot* snapshot, int32_t backend_pid, double opened_s, double established_s) {
  Connection connection;
  connection.handle = 0x1000 + static_cast<uint64_t>(backend_pid);
  connection.call_site = 1;
  connection.target = 1;
  connection.backend_pid = backend_pid;
  connection.opened_ns = LedgerTime(opened_s);
  connection.established_ns = LedgerTime(established_s);
  snapshot->connections.push_back(connection);
  return snapshot->connections.back();
}

std::vector<Ownership> Ownerships(const ServerView& view, const std::vector<Snapshot>& snapshots) {
  std::vector<Ownership> ownerships;
  for (const JoinedBackend& backend : Join(view, snapshots).backends) {
    ownerships.push_back(backend.ownership);
  }
  return ownerships;
}

TEST(JoinTest, ABackendIsOursWhereItsStartFallsIntoTheConnect) {
  struct Case {
    double started_s;
    bool local;
    bool ours;
  };
  // The connect went from 10 s to 12 s.
  const Case cases[] = {{11, true, true},    {10, true, true},   {12, true, true},
                        {8.1, true, true},   {13.9, true, true}, {7.9, true, false},
                        {14.1, true, false}, {-49, false, true}, {71, false, true},
                        {-51, false, false}, {73, false, false}, {500, true, false}};
  for (const Case& test : cases) {
    ServerView view = View();
    view.address.local = test.local;
    view.backends = {Client(17, test.started_s)};
    Snapshot snapshot = Process();
    Add(&snapshot, 17, 10, 12);
    const Joined joined = Join(view, {snapshot});
    EXPECT_EQ(joined.backends[0].ownership == Ownership::kOurs, test.ours)
        << test.started_s << (test.local ? " local" : " remote");
    EXPECT_EQ(joined.backends[0].place.has_value(), test.ours) << test.started_s;
    EXPECT_EQ(joined.unlisted.empty(), test.ours) << test.started_s;
  }
}

TEST(JoinTest, AClockThatWasSetSinceDoesNoHarm) {
  ServerView view = View();
  view.backends = {Client(17, 11)};
  Snapshot set_since_start = Process();
  Add(&set_since_start, 17, 10, 12);
  set_since_start.process.created_realtime_ns -= 3'000 * kSecond;
  EXPECT_THAT(Ownerships(view, {set_since_start}), ElementsAre(Ownership::kOurs));
  // The host slept for an hour after the connect: the monotonic clock stood still.
  Snapshot slept = Process();
  Add(&slept, 17, 10, 12);
  view.clock.local_monotonic_ns -= 300 * kSecond;
  EXPECT_THAT(Ownerships(view, {slept}), ElementsAre(Ownership::kOurs));
}

TEST(JoinTest, ThePidAloneProvesNothing) {
  struct Case {
    const char* what;
    void (*change)(Backend*);
    Ownership expected;
  };
  const Case cases[] = {
      {"the same", [](Backend*) {}, Ownership::kOurs},
      {"another database", [](Backend* backend) { backend->dbname = "stock"; }, Ownership::kOthers},
      {"another user", [](Backend* backend) { backend->user = "psql"; }, Ownership::kOthers},
      {"no start, the same port",
       [](Backend* backend) {
         backend->start_ns = 0;
         backend->hidden = true;
       },
       Ownership::kOurs},
      {"a WAL sender", [](Backend* backend) { backend->takes_slot = false; }, Ownership::kServer},
      {"ourselves", [](Backend* backend) { backend->pid = 99; }, Ownership::kOwn},
  };
  for (const Case& test : cases) {
    ServerView view = View();
    view.backends = {Client(17, 11)};
    test.change(&view.backends[0]);
    Snapshot snapshot = Process();
    Add(&snapshot, 17, 10, 12);
    EXPECT_EQ(Join(view, {snapshot}).backends[0].ownership, test.expected) << test.what;
  }
}

TEST(JoinTest, AHiddenBackendOfAnotherPortIsUnknown) {
  ServerView view = View();
  view.backends = {Hidden(17), Hidden(18)};
  Snapshot snapshot = Process();
  snapshot.targets[1].port = 6432;
  Add(&snapshot, 17, 10, 12);
  const Joined joined = Join(view, {snapshot});
  EXPECT_EQ(joined.backends[0].ownership, Ownership::kUnknown);
  EXPECT_FALSE(joined.backends[0].place);
  // No ledger names it: whatever it hides, it is none of ours.
  EXPECT_EQ(joined.backends[1].ownership, Ownership::kOthers);
  EXPECT_TRUE(joined.unlisted.empty());
}

TEST(JoinTest, BehindAPoolerNothingIsCertain) {
  ServerView view = View();
  view.backends = {Client(21, 3), Client(22, 3), Client(23, 3)};
  view.backends[2].user = "other";
  Snapshot snapshot = Process();
  snapshot.targets[1].port = 6432;
  Add(&snapshot, 1'000'001, 10, 12);
  Add(&snapshot, 0, 10, 12);
  const Joined joined = Join(view, {snapshot});
  EXPECT_THAT(Ownerships(view, {snapshot}),
              ElementsAre(Ownership::kUnknown, Ownership::kUnknown, Ownership::kOthers));
  EXPECT_THAT(joined.unlisted, ElementsAre(Unlisted{"/run/postgresql", 6432, 2, false}));
}

TEST(JoinTest, ASessionThatTheServerHasEndedMakesNothingUncertain) {
  ServerView view = View();
  view.backends = {Client(21, 3)};
  Snapshot snapshot = Process();
  Add(&snapshot, 17, 10, 12);
  EXPECT_THAT(Ownerships(view, {snapshot}), ElementsAre(Ownership::kOthers));
  // Through a pooler at this address it may be anybody's.
  view.settings.through_pooler = true;
  EXPECT_THAT(Ownerships(view, {snapshot}), ElementsAre(Ownership::kUnknown));
}

TEST(JoinTest, WhatIsNotListedIsCountedByAddress) {
  ServerView view = View();
  Snapshot snapshot = Process();
  snapshot.targets.push_back({"replica", "orders", "app", "", 5432});
  Add(&snapshot, 17, 10, 12);
  Add(&snapshot, 18, 10, 12);
  Add(&snapshot, 19, 10, 12).target = 2;
  // Not there any more, not there yet, and made after the server was asked.
  Add(&snapshot, 20, 10, 12).state = ConnectionState::kBroken;
  Add(&snapshot, 0, 10, 0).state = ConnectionState::kConnecting;
  Add(&snapshot, 21, 601, 602);
  Snapshot dead = Process();
  dead.process.life = Life::kKilled;
  Add(&dead, 22, 10, 12);
  EXPECT_THAT(
      Join(view, {snapshot, dead}).unlisted,
      ElementsAre(Unlisted{"/run/postgresql", 5432, 2, true}, Unlisted{"replica", 5432, 1, false}));
}

TEST(JoinTest, TheOpenersConnectionComesBeforeTheForkedChilds) {
  ServerView view = View();
  view.backends = {Client(17, 11)};
  Snapshot child = Process();
  child.process.pid = child.process.visible_pid = 4712;
  Add(&child, 17, 10, 12).state = ConnectionState::kInherited;
  Snapshot parent = Process();
  Add(&parent, 17, 10, 12);
  EXPECT_EQ(Join(view, {child, parent}).backends[0].place, (LedgerPlace{1, 0}));
  // Of a dead parent the child's is the one that counts.
  parent.process.life = Life::kKilled;
  EXPECT_EQ(Join(view, {child, parent}).backends[0].place, (LedgerPlace{0, 0}));
}

TEST(JoinTest, NumbersFromALedgerThatLiesDoNotOverflow) {
  ServerView view = View();
  view.backends = {Client(17, 11)};
  for (const uint64_t lie : {uint64_t{0}, UINT64_MAX}) {
    Snapshot snapshot = Process();
    Connection& connection = Add(&snapshot, 17, 10, 12);
    connection.opened_ns = connection.established_ns = lie;
    snapshot.process.created_monotonic_ns = lie;
    snapshot.process.created_realtime_ns = UINT64_MAX - lie;
    EXPECT_EQ(Join(view, {snapshot}).backends[0].ownership, Ownership::kOthers) << lie;
  }
}

// --- The report ----------------------------------------------------------------------------------

ServerReport Build(const ServerView& view, const std::vector<Snapshot>& snapshots,
                   const ServerReportOptions& options = {}) {
  return BuildServerReport(view, snapshots, GroupCallSites(snapshots), options);
}

TEST(ServerReportTest, SlotsAddUp) {
  ServerView view = View();
  view.settings.reserved = 2;
  view.backends = {Client(17, 11), Client(18, 11), Client(99, 600), Client(30, 1)};
  view.backends[1].user = "other";
  view.backends[3].takes_slot = false;
  Snapshot snapshot = Process();
  Add(&snapshot, 17, 10, 12);
  const ServerReport report = Build(view, {snapshot});
  EXPECT_EQ(report.slots.max, 20u);
  EXPECT_EQ(report.slots.used, 3u);
  EXPECT_EQ(report.slots.free, 20u - 3 - 2 - 3);
  EXPECT_EQ(report.slots.ours, 1u);
  EXPECT_EQ(report.slots.others, 1u);
  EXPECT_EQ(report.slots.unknown, 0u);
  EXPECT_EQ(report.slots.own, 1u);
  // The server's own are shown where they block somebody.
  EXPECT_EQ(report.backends.size(), 2u);
}

TEST(ServerReportTest, FreeIsNeverNegative) {
  ServerView view = View();
  view.settings.max_connections = 4;
  view.backends = {Client(17, 11), Client(18, 11), Client(99, 600)};
  EXPECT_EQ(Build(view, {}).slots.free, 0u);
}

TEST(ServerReportTest, WhoBlocksOthersComesFirst) {
  ServerView view = View();
  view.backends = {Client(1, 1), Client(2, 1), Client(3, 1), Client(4, 1), Client(5, 1)};
  view.backends[1].blocked_by = {5};
  view.backends[3].blocked_by = {5, 2};
  view.backends[2].transaction_start_ns = ServerTime(100);
  view.backends[4].state = "idle in transaction";
  view.backends[4].state_change_ns = ServerTime(480);
  view.backends[4].transaction_start_ns = ServerTime(300);
  Snapshot snapshot = Process();
  Add(&snapshot, 5, 0, 2);
  const ServerReport report = Build(view, {snapshot}, {4, {}, false});
  std::vector<int32_t> order;
  for (const ServerBackend& backend : report.backends) order.push_back(backend.backend.pid);
  EXPECT_THAT(order, ElementsAre(5, 2, 3, 1));
  EXPECT_EQ(report.backends_left_out, 1u);
  const ServerBackend& first = report.backends[0];
  EXPECT_THAT(first.blocks, ElementsAre(2, 4));
  EXPECT_EQ(first.transaction_age_ns, 300 * kSecond);
  EXPECT_EQ(first.idle_in_transaction_ns, 120 * kSecond);
  EXPECT_EQ(first.age_ns, 599 * kSecond);
  EXPECT_EQ(first.query_age_ns, std::nullopt);
  EXPECT_EQ(first.process_pid, 4711);
  EXPECT_EQ(first.service, "orders");
  EXPECT_EQ(first.call_site, 0xabcu);

  Finding idle;
  idle.kind = "idle-in-transaction";
  idle.call_site = 0xabc;
  Finding other = idle;
  other.call_site = 0xdef;
  std::vector<Finding> findings = {idle, other};
  AddWaitersAsEvidence(report, &findings);
  ASSERT_EQ(findings[0].evidence.size(), 1u);
  EXPECT_EQ(findings[0].evidence[0].name, "blocks");
  EXPECT_EQ(findings[0].evidence[0].number, 2);
  EXPECT_TRUE(findings[1].evidence.empty());
}

TEST(ServerReportTest, NotesSayWhatIsMissing) {
  ServerView view = View();
  view.backends = {Hidden(17), Hidden(18)};
  view.missing = {"something is not there"};
  view.settings.through_pooler = true;
  view.settings.in_recovery = true;
  Snapshot snapshot = Process();
  Add(&snapshot, 30, 10, 12);
  const ServerReport report = Build(view, {snapshot}, {std::nullopt, {}, true});
  EXPECT_EQ(report.hidden, 2u);
  EXPECT_THAT(report.notes, Contains("something is not there"));
  EXPECT_THAT(report.notes, Contains(HasSubstr("the state of 2 backends is hidden from the role "
                                               "'app': GRANT pg_read_all_stats")));
  EXPECT_THAT(report.notes, Contains(HasSubstr("leads through a pooler")));
  EXPECT_THAT(report.notes, Contains(HasSubstr("standby")));
  EXPECT_THAT(report.notes, Contains(HasSubstr("selected processes")));
  EXPECT_THAT(report.notes, Contains(HasSubstr("1 connection of the observed processes")));
  view.settings.version = 90'600;
  EXPECT_THAT(Build(view, {snapshot}).notes, Contains(HasSubstr("connect as a superuser")));
  // Without the list nothing is said of what is not on it.
  view.backends_known = false;
  view.backends.clear();
  EXPECT_THAT(Build(view, {snapshot}).notes,
              ::testing::Not(Contains(HasSubstr("of the observed processes"))));
}

// --- Its text
// -------------------------------------------------------------------------------------

std::string Text(const ServerReport& report) {
  std::ostringstream out;
  WriteServerText(report, Style(/*colour=*/false), out);
  return out.str();
}

TEST(ServerTextTest, WhatTheServerSaysIsEscaped) {
  ServerView view = View();
  view.backends = {Client(17, 1), Client(18, 1)};
  Backend& first = view.backends[0];
  first.user = "\x1b[31mapp";
  first.application_name = "\x1b]0;x\x07";
  first.state = "\x1b[2J";
  first.wait_event_type = "\x1b[3J";
  first.wait_event = "\xff";
  first.client_addr = "\x1b[4J";
  view.backends[1].takes_slot = false;
  view.backends[1].type = "\x1b[5J";
  view.backends[1].blocked_by = {17, 0, 3, 4, 5};
  view.address.user = "\x1b[6J";
  view.missing = {"\x1b[7J"};
  const std::string text = Text(Build(view, {}));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("\x07")));
  EXPECT_THAT(text, HasSubstr("\\x1b[3J/\\xff"));
  EXPECT_THAT(text, HasSubstr("blocked by 17, a prepared transaction, 3 and 2 more"));
}

TEST(ServerTextTest, NoMoreThanATablesLengthUnlessAskedFor) {
  ServerView view = View();
  for (int32_t pid = 1; pid <= 25; ++pid) view.backends.push_back(Client(pid, 1));
  EXPECT_THAT(Text(Build(view, {})), HasSubstr("and 5 more; see --top"));
  const std::string all = Text(Build(view, {}, {24, {}, false}));
  EXPECT_THAT(all, HasSubstr("and 1 more, left out as asked"));
}

TEST(ServerTextTest, WithoutAListOfBackendsNothingIsMadeUp) {
  ServerView view = View();
  view.backends_known = false;
  const std::string text = Text(Build(view, {}));
  EXPECT_THAT(text, HasSubstr("in use: not known"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("free")));
}

}  // namespace
}  // namespace pqleash::reporter
