// SPDX-License-Identifier: Apache-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "reporter/findings/detector.h"
#include "reporter/findings/idiom.h"
#include "reporter/report/report_builder.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint64_t kNow = 100'000 * kSecond;

// A connection in the words of a test: how long ago it was opened and last used.
struct Conn {
  uint64_t opened_ago_s;
  uint64_t used_ago_s;
  uint64_t commands = 1;
  ConnectionState state = ConnectionState::kEstablished;
  Transaction transaction = Transaction::kIdle;
  const char* in_call = "";
  bool adopted = false;
};

struct Site {
  std::vector<Conn> connections;
  uint64_t closed = 0;
  Life life = Life::kLive;
  uint64_t usual_life_s = 0;
  uint64_t newest_ago_s = 0;  // of those that were closed
};

Snapshot Make(const Site& site) {
  Snapshot snapshot;
  snapshot.process.life = site.life;
  snapshot.as_of_ns = kNow;
  snapshot.targets.resize(1);
  snapshot.call_sites.resize(2);
  CallSite& call_site = snapshot.call_sites[1];
  call_site.id = 0xabc;
  call_site.closed = site.closed;
  call_site.opened = site.closed;
  call_site.closed_life_ns = site.closed * site.usual_life_s * kSecond;
  if (site.closed > 0) call_site.last_ns = kNow - site.newest_ago_s * kSecond;
  for (const Conn& conn : site.connections) {
    Connection connection;
    connection.call_site = 1;
    connection.state = conn.state;
    connection.transaction = conn.transaction;
    connection.in_call = conn.in_call;
    connection.adopted = conn.adopted;
    connection.commands = conn.commands;
    connection.opened_ns = kNow - conn.opened_ago_s * kSecond;
    connection.last_activity_ns = kNow - conn.used_ago_s * kSecond;
    if (conn.state == ConnectionState::kFailed || conn.state == ConnectionState::kRefused) {
      ++call_site.failed;
    } else {
      connection.established_ns = connection.opened_ns + kMillisecond;
      ++call_site.opened;
      ++call_site.open;
    }
    snapshot.connections.push_back(connection);
  }
  return snapshot;
}

std::vector<Finding> Find(const std::vector<Site>& sites, const Thresholds& thresholds = {}) {
  std::vector<Snapshot> snapshots;
  for (const Site& site : sites) snapshots.push_back(Make(site));
  const std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  return FindAll({snapshots, groups, thresholds});
}

// The number of connections that findings of `kind` are about.
uint64_t Found(const std::string& kind, const Site& site) {
  uint64_t connections = 0;
  for (const Finding& finding : Find({site})) {
    if (finding.kind == kind) connections += finding.connections;
  }
  return connections;
}

constexpr auto kEstablished = ConnectionState::kEstablished;
constexpr auto kBroken = ConnectionState::kBroken;
constexpr auto kFailed = ConnectionState::kFailed;
constexpr auto kRefused = ConnectionState::kRefused;

struct Case {
  const char* what;
  Site site;
  uint64_t found;
};

void Check(const std::string& kind, const std::vector<Case>& cases) {
  for (const Case& test : cases) {
    EXPECT_EQ(Found(kind, test.site), test.found) << kind << ": " << test.what;
  }
}

TEST(FindingsTest, IdleInTransaction) {
  const auto in = [](uint64_t used_ago_s, Transaction transaction, const char* in_call = "",
                     ConnectionState state = kEstablished) {
    return Site{{{1'000, used_ago_s, 5, state, transaction, in_call}}};
  };
  Check("idle-in-transaction", {{"idle for the threshold", in(60, Transaction::kOpen), 1},
                                {"a second less", in(59, Transaction::kOpen), 0},
                                {"in a failed transaction", in(60, Transaction::kFailed), 1},
                                {"in no transaction", in(900, Transaction::kIdle), 0},
                                {"a command is in progress", in(900, Transaction::kActive), 0},
                                {"inside of a call", in(900, Transaction::kOpen, "PQexec"), 0},
                                {"connection is gone", in(900, Transaction::kOpen, "", kBroken), 0},
                                {"several",
                                 {{{900, 100, 1, kEstablished, Transaction::kOpen},
                                   {900, 200, 1, kEstablished, Transaction::kFailed},
                                   {900, 4, 1, kEstablished, Transaction::kOpen}}},
                                 2},
                                {"all of several, where none is free",
                                 {{{900, 5, 1, kEstablished, Transaction::kOpen},
                                   {900, 6, 1, kEstablished, Transaction::kFailed},
                                   {900, 9, 1, kEstablished, Transaction::kOpen}}},
                                 3},
                                {"a moment ago",
                                 {{{900, 4, 1, kEstablished, Transaction::kOpen},
                                   {900, 4, 1, kEstablished, Transaction::kFailed},
                                   {900, 4, 1, kEstablished, Transaction::kOpen}}},
                                 0}});
}

// The verdicts of a search through memory, as `site.connections`.
std::vector<Finding> FindWith(const Site& site, const std::vector<ConnectionReach>& reaches) {
  const std::vector<Snapshot> snapshots = {Make(site)};
  const std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  const std::vector<Reachability> reachability = {{reaches, 5'000'000, 14, 70'000'000, 1}};
  return FindAll({snapshots, groups, {}, {}, reachability});
}

TEST(FindingsTest, LostHandleIsWhatNothingLeadsTo) {
  const ConnectionReach held = {Reach::kHeld, "heap at 0x10", {}};
  const ConnectionReach proven = {Reach::kLostProven, {}, {}};
  const ConnectionReach likely = {Reach::kLostLikely, {}, "registers cannot be read"};
  const Site site = {{{900, 899}, {800, 799}, {700, 699}, {1, 1, 1, kFailed}, {1, 0}}};
  const std::vector<Finding> findings = FindWith(site, {proven, held, likely, proven, {}});
  ASSERT_GE(findings.size(), 2u);
  EXPECT_EQ(findings[0].kind, "lost-handle");
  EXPECT_EQ(findings[0].confidence, Confidence::kProven);
  EXPECT_EQ(findings[0].connections, 1u) << "a failed connect is no lost session";
  EXPECT_EQ(findings[1].kind, "lost-handle");
  EXPECT_EQ(findings[1].confidence, Confidence::kLikely);
  EXPECT_NE(findings[1].summary.find("registers cannot be read"), std::string::npos);
}

TEST(FindingsTest, LostHandlesAreNoSuspects) {
  const ConnectionReach held = {Reach::kHeld, "heap at 0x10", {}};
  const ConnectionReach proven = {Reach::kLostProven, {}, {}};
  const Site site = {{{900, 899}, {800, 799}, {700, 699}}};
  EXPECT_EQ(Found("leak-suspect", site), 3u);
  for (const Finding& finding : FindWith(site, {proven, proven, proven})) {
    EXPECT_NE(finding.kind, "leak-suspect");
  }
}

TEST(FindingsTest, OnePlaceThatLeaksIsOneFinding) {
  const ConnectionReach held = {Reach::kHeld, "heap at 0x10", {}};
  const ConnectionReach proven = {Reach::kLostProven, {}, {}};
  const Site site = {{{900, 899}, {800, 799}, {700, 699}}};
  const std::vector<Finding> findings = FindWith(site, {proven, held, {}});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, "lost-handle");
  EXPECT_EQ(findings[0].connections, 3u);
  EXPECT_NE(findings[0].summary.find("2 more of this place are suspected to leak"),
            std::string::npos)
      << findings[0].summary;
}

// A place that closes as a rule and leaves some behind.
TEST(FindingsTest, LeakSuspectThatOutlivedTheOthers) {
  const std::vector<Conn> two = {{900, 899}, {700, 699}};
  Check("leak-suspect",
        {{"the others live for a second", {two, 1'000, Life::kLive, 1, 5}, 2},
         {"one may be meant to stay", {{{900, 899}}, 1'000, Life::kLive, 1, 5}, 0},
         {"but not beyond the end", {{{900, 899}}, 1'000, Life::kEnded, 1, 5}, 1},
         {"the others live for as long", {two, 1'000, Life::kLive, 600, 5}, 0},
         {"20 times the usual life", {{{900, 700}, {900, 700}}, 1'000, Life::kLive, 35, 5}, 2},
         {"not quite", {{{900, 699}, {900, 699}}, 1'000, Life::kLive, 35, 5}, 0},
         {"nothing was opened since: a pool at rest", {two, 1'000, Life::kLive, 1, 900}, 0},
         {"too few were closed to know", {two, 9, Life::kLive, 1, 5}, 0},
         {"those in use are none",
          {{{900, 899}, {800, 799}, {50, 1}, {40, 0}}, 1'000, Life::kLive, 1, 5},
          2}});
}

TEST(FindingsTest, LeakSuspect) {
  Check(
      "leak-suspect",
      {{"opened one after the other, each left behind", {{{900, 899}, {800, 799}, {700, 699}}}, 3},
       {"two", {{{900, 899}, {700, 699}}}, 2},
       {"one may be meant to stay", {{{900, 899}}}, 0},
       {"one that outlives its process", {{{900, 899}}, 0, Life::kEnded}, 1},
       {"one that was used until the end", {{{900, 3}}, 0, Life::kEnded}, 0},
       {"one in a process that was killed", {{{900, 899}}, 0, Life::kKilled}, 1},
       {"old, but in use", {{{90'000, 2}, {90'000, 5}}}, 0},
       {"one of them in use", {{{900, 899}, {800, 799}, {700, 10}}}, 0},
       {"one of them in a call",
        {{{900, 899}, {800, 799}, {700, 699, 1, kEstablished, Transaction::kActive, "PQexec"}}},
        0},
       {"pool at rest: all used after the last was opened", {{{9'000, 400}, {8'000, 500}}}, 0},
       {"not idle for long enough", {{{900, 899}, {299, 298}}}, 0},
       {"idle for just long enough", {{{900, 899}, {301, 300}}}, 2},
       {"closes most, and opened none since",
        {{{900, 899}, {700, 699}}, 50, Life::kLive, 1, 900},
        0},
       {"closes one in twenty",
        {{{900, 899},
          {890, 889},
          {880, 879},
          {870, 869},
          {860, 859},
          {850, 849},
          {840, 839},
          {830, 829},
          {820, 819},
          {810, 809},
          {800, 799},
          {790, 789},
          {780, 779},
          {770, 769},
          {760, 759},
          {750, 749},
          {740, 739},
          {730, 729},
          {720, 719}},
         1},
        19},
       {"a pair that is held since the start", {{{900, 899}, {880, 879}}}, 0},
       {"failed ones are none", {{{900, 899, 0, kFailed}, {800, 799, 0, kFailed}}}, 0}});
}

TEST(FindingsTest, ServerClosed) {
  Check("server-closed",
        {{"kept", {{{900, 30, 1, kBroken}}}, 1},
         {"just noticed", {{{900, 29, 1, kBroken}}}, 0},
         {"being dealt with", {{{900, 30, 1, kBroken, Transaction::kUnknown, "PQreset"}}}, 0},
         {"left behind at the end", {{{900, 1, 1, kBroken}}, 0, Life::kEnded}, 1},
         {"alive", {{{900, 30}}}, 0}});
}

// The same report says that nothing holds it.
TEST(FindingsTest, ServerClosedSaysWhatHasBecomeOfTheHandle) {
  const auto summary = [](const std::vector<ConnectionReach>& reaches) {
    const Site site = {{{900, 30, 1, kBroken}, {900, 40, 1, kBroken}}};
    for (const Finding& finding : FindWith(site, reaches)) {
      if (finding.kind == "server-closed") return finding.summary;
    }
    return std::string();
  };
  const ConnectionReach held = {Reach::kHeld, "a global", ""};
  const ConnectionReach lost = {Reach::kLostProven, "", ""};
  EXPECT_THAT(summary({held, held}), HasSubstr("and the program has kept them for up to 40 s"));
  EXPECT_THAT(summary({lost, lost}),
              HasSubstr("and nothing in the program leads to them any more"));
  EXPECT_THAT(summary({lost, lost}), Not(HasSubstr("kept")));
  EXPECT_THAT(summary({held, lost}), HasSubstr("; to 1 of them nothing in it leads any more"));
  EXPECT_THAT(summary({}), HasSubstr("the program has kept them"));
}

TEST(FindingsTest, UnfinishedFailedConnect) {
  Check("unfinished-failed-connect",
        {{"kept", {{{30, 30, 0, kFailed}}}, 1},
         {"just failed", {{{29, 29, 0, kFailed}}}, 0},
         {"refused by a cap", {{{30, 30, 0, kRefused}}}, 1},
         {"left behind at the end", {{{1, 1, 0, kFailed}}, 0, Life::kEnded}, 1},
         {"killed a moment later", {{{1, 1, 0, kFailed}}, 0, Life::kKilled}, 0},
         {"still trying", {{{900, 900, 0, ConnectionState::kConnecting}}}, 0}});
}

// A handle that is on its way somewhere is held; of one that nothing leads to nothing has to be
// waited for.
TEST(FindingsTest, ALostHandleThatFailedOrBrokeNeedsNoPatience) {
  const auto kinds = [](ConnectionState state, const ConnectionReach& reach) {
    std::vector<std::string> found;
    for (const Finding& finding : FindWith({{{900, 5, 1, state}}}, {reach}))
      found.emplace_back(finding.kind);
    return found;
  };
  const ConnectionReach held = {Reach::kHeld, "a global", ""};
  const ConnectionReach lost = {Reach::kLostProven, "", ""};
  EXPECT_THAT(kinds(kFailed, lost), ElementsAre("unfinished-failed-connect"));
  EXPECT_THAT(kinds(kFailed, held), IsEmpty());
  EXPECT_THAT(kinds(kBroken, lost), ElementsAre("server-closed"));
  EXPECT_THAT(kinds(kBroken, held), IsEmpty());
}

TEST(FindingsTest, NeverUsed) {
  Check(
      "never-used",
      {{"old enough", {{{300, 300, 0}}}, 1},
       {"young", {{{299, 299, 0}}}, 0},
       {"of a place that leaks", {{{900, 899}, {800, 799}, {700, 699, 0}}}, 0},
       {"used once", {{{900, 900, 1}}}, 0},
       {"inside of its first call",
        {{{900, 900, 0, kEstablished, Transaction::kIdle, "PQexec"}}},
        0},
       {"open before the attach", {{{900, 900, 0, kEstablished, Transaction::kIdle, "", true}}}, 0},
       {"never established", {{{900, 900, 0, kFailed}}}, 0},
       {"another process's", {{{900, 900, 0, ConnectionState::kInherited}}}, 0}});
}

// A child that used inherited connections: by what function; whether it finished them.
struct Use {
  const char* function;
  bool finished = false;
  int32_t opener_pid = 100;
};

Snapshot Child(int32_t pid, const std::vector<Use>& uses) {
  Snapshot snapshot;
  snapshot.process.pid = pid;
  snapshot.process.life = Life::kLive;
  snapshot.as_of_ns = kNow;
  snapshot.targets.resize(1);
  snapshot.call_sites.resize(3);
  snapshot.call_sites[1].id = 0xabc;
  snapshot.call_sites[2].id = 0xdef;
  for (const Use& use : uses) {
    Connection connection;
    connection.state = ConnectionState::kInherited;
    connection.call_site = 1;
    connection.touched_by = use.function;
    connection.touched_site = use.function[0] == '\0' ? 0 : 2;
    connection.opener_pid = use.opener_pid;
    connection.finished_here = use.finished;
    snapshot.connections.push_back(connection);
  }
  return snapshot;
}

TEST(FindingsTest, ForkShared) {
  struct ForkCase {
    const char* what;
    std::vector<Snapshot> children;
    std::vector<std::string> summaries;
  };
  const std::string at = "opened at a place that was not recorded, touched with ";
  const ForkCase cases[] = {
      {"held, not used", {Child(7, {{""}})}, {}},
      {"used",
       {Child(7, {{"PQexec"}})},
       {"process 7 used 1 connection that process 100 opened before a fork: " + at +
        "PQexec at a place that was not recorded"}},
      {"finished",
       {Child(7, {{"PQfinish", true}})},
       {"process 7 used 1 connection that process 100 opened before a fork: " + at +
        "PQfinish at a place that was not recorded; it was finished there: the opener's session is "
        "gone"}},
      {"many children of one opener",
       {Child(7, {{"PQexec"}, {"PQfinish", true}}), Child(8, {{"PQexec"}}),
        Child(9, {{"PQfinish", true}})},
       {"3 processes (7, 8, 9) used 4 connections that process 100 opened before a fork: " + at +
        "PQexec, PQfinish at a place that was not recorded; 2 connections were finished there: the "
        "opener's sessions are gone"}},
      {"two openers",
       {Child(7, {{"PQexec"}, {"PQexec", false, 101}})},
       {"process 7 used 1 connection that process 100 opened before a fork: " + at +
            "PQexec at a place that was not recorded",
        "process 7 used 1 connection that process 101 opened before a fork: " + at +
            "PQexec at a place that was not recorded"}},
  };
  for (const ForkCase& test : cases) {
    const std::vector<CallSiteGroup> groups = GroupCallSites(test.children);
    std::vector<std::string> summaries;
    for (const Finding& finding : FindAll({test.children, groups, {}})) {
      EXPECT_EQ(finding.kind, "fork-shared") << test.what;
      EXPECT_EQ(finding.confidence, Confidence::kProven);
      EXPECT_EQ(finding.call_site, 0xabcu);
      EXPECT_EQ(finding.stacks.size(), 2u);
      summaries.push_back(finding.summary);
    }
    EXPECT_EQ(summaries, test.summaries) << test.what;
  }
}

TEST(FindingsTest, ManyOpenersAreBounded) {
  std::vector<Use> uses;
  for (int32_t pid = 1; pid <= 1'000; ++pid) uses.push_back({"PQexec", false, pid});
  const std::vector<Snapshot> snapshots = {Child(7, uses)};
  const std::vector<Finding> findings = FindAll({snapshots, GroupCallSites(snapshots), {}});
  EXPECT_EQ(findings.size(), 65u);
  uint64_t connections = 0;
  for (const Finding& finding : findings) connections += finding.connections;
  EXPECT_EQ(connections, 1'000u);
}

TEST(FindingsTest, MostHarmfulFirst) {
  const Site everything = {{{900, 899, 0, kFailed},
                            {900, 899, 1, kBroken},
                            {900, 899, 1, kEstablished, Transaction::kOpen},
                            {600, 599, 0}}};
  std::vector<std::string> kinds;
  for (const Finding& finding : Find({everything})) kinds.emplace_back(finding.kind);
  EXPECT_EQ(kinds, (std::vector<std::string>{"idle-in-transaction", "leak-suspect", "server-closed",
                                             "unfinished-failed-connect"}))
      << "what was never used is of the leak";
}

TEST(FindingsTest, HaveOneShape) {
  const Site everything = {{{900, 899, 0, kFailed},
                            {900, 899, 1, kBroken},
                            {900, 899, 1, kEstablished, Transaction::kOpen},
                            {800, 799, 0}}};
  for (const Finding& finding : Find({everything})) {
    SCOPED_TRACE(std::string(finding.kind));
    EXPECT_EQ(finding.call_site, 0xabcu);
    EXPECT_FALSE(finding.summary.empty());
    EXPECT_FALSE(finding.advice.empty());
    EXPECT_FALSE(finding.summary.ends_with('.'));
    EXPECT_FALSE(finding.advice.ends_with('.'));
    EXPECT_GE(finding.evidence.size(), 2u);
    EXPECT_GT(finding.connections, 0u);
  }
}

TEST(FindingsTest, KindsAreDistinct) {
  std::set<std::string_view> kinds;
  for (const DetectorEntry& detector : Detectors()) EXPECT_TRUE(kinds.insert(detector.kind).second);
}

TEST(FindingsTest, OneCallSiteInTwoProcessesIsOneFinding) {
  const Site leak = {{{900, 899}, {700, 699}}};
  const std::vector<Finding> findings = Find({leak, leak});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].connections, 4u);
}

std::vector<Finding> FindAtCap(uint64_t quiet_ns, const PolicyCounters& counters) {
  CapsPolicy cap;
  std::snprintf(cap.policy.filed.name, sizeof cap.policy.filed.name, "billing");
  cap.policy.filed.kind = caps::kCap;
  cap.policy.service = "shop";
  cap.policy.rule = {.limit = 20,
                     .on_limit = caps::kWait,
                     .wait_timeout_ms = 5'000,
                     .max_waiting = 0,
                     .interval_ns = 0,
                     .burst = 0,
                     .on_server_full = 0};
  cap.policy.counters = counters;
  cap.quiet_ns = quiet_ns;
  CapsHolder holder;
  holder.call_site = 0xabc;
  holder.count = 14;
  cap.holders.push_back(holder);
  return FindAll({{}, {}, {}, {}, {}, {cap}});
}

TEST(FindingsTest, CapHit) {
  PolicyCounters counters;
  counters.use = 20;
  counters.peak = 20;
  counters.waiting = 3;
  counters.waited = 34;
  counters.timed_out = 5;
  counters.longest_wait_ns = 2'100 * kMillisecond;
  const std::vector<Finding> findings = FindAtCap(kMinute, counters);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, "cap-hit");
  EXPECT_EQ(findings[0].confidence, Confidence::kProven);
  EXPECT_EQ(findings[0].summary,
            "cap \"billing\" of service shop (20, wait 5s) was reached: 3 wait now, 34 have waited "
            "(longest 2.1 s), 5 were refused after a wait");
  EXPECT_EQ(findings[0].call_site, 0xabcu);
  EXPECT_NE(findings[0].advice.find("pqleash caps billing"), std::string::npos);
}

TEST(FindingsTest, ACapThatHeldNobodyBackOfLateIsNoFinding) {
  PolicyCounters counters;
  counters.use = 20;
  EXPECT_TRUE(FindAtCap(kMinute, counters).empty()) << "full is no fault";
  counters.warned = 4;
  EXPECT_EQ(FindAtCap(kMinute, counters).size(), 1u);
  EXPECT_TRUE(FindAtCap(kHour, counters).empty());
}

TEST(FindingsTest, HealthyProcessesHaveNone) {
  EXPECT_TRUE(Find({}).empty());
  EXPECT_TRUE(Find({{{{90'000, 1, 99'999}, {90'000, 200, 5'000}, {3, 3, 0}}}}).empty());
}

TEST(ThresholdsTest, FilterIsTheMeasure) {
  Filter filter;
  EXPECT_EQ(ThresholdsFor(filter).min_age_ns, 30 * kSecond);
  EXPECT_EQ(ThresholdsFor(filter).min_idle_ns, 5 * kMinute);
  EXPECT_EQ(ThresholdsFor(filter).transaction_idle_ns, kMinute);
  EXPECT_EQ(ThresholdsFor(filter).never_used_age_ns, 5 * kMinute);
  filter.min_age_ns = 1;
  filter.min_idle_ns = 2;
  EXPECT_EQ(ThresholdsFor(filter).min_age_ns, 1u);
  EXPECT_EQ(ThresholdsFor(filter).never_used_age_ns, 1u);
  EXPECT_EQ(ThresholdsFor(filter).min_idle_ns, 2u);
  EXPECT_EQ(ThresholdsFor(filter).transaction_idle_ns, 2u);
  EXPECT_EQ(ThresholdsFor(filter).left_behind_idle_ns, 10 * kSecond);
  filter.min_idle_ns = kMinute;
  EXPECT_EQ(ThresholdsFor(filter).left_behind_idle_ns, kMinute);
  EXPECT_EQ(ThresholdsFor(filter).all_stuck_idle_ns, kMinute);
}

// The words of the library that connects, not those of its driver or of libpq.
TEST(IdiomTest, IsThatOfThePool) {
  const auto close_in = [](const std::vector<std::pair<Language, std::string>>& files) {
    CallSiteGroup group;
    for (const auto& [language, file] : files) {
      SourceFrame frame;
      frame.language = language;
      frame.file = file;
      group.frames.push_back(frame);
    }
    return std::string(IdiomOf(group).close);
  };
  const std::string packages = "/usr/lib/python3/dist-packages";
  constexpr Language kPython = Language::kPython;
  EXPECT_EQ(close_in({{kPython, packages + "/psycopg2/__init__.py"}, {kPython, "/srv/app.py"}}),
            "conn.close()");
  EXPECT_EQ(close_in({{kPython, packages + "/psycopg2/__init__.py"},
                      {kPython, packages + "/psycopg2/pool.py"},
                      {kPython, "/srv/app.py"}}),
            "pool.putconn(conn)");
  EXPECT_THAT(close_in({{kPython, packages + "/psycopg2/__init__.py"},
                        {kPython, packages + "/sqlalchemy/pool/impl.py"},
                        {kPython, "/srv/app.py"}}),
              HasSubstr("Session"));
  EXPECT_EQ(close_in({{Language::kRuby, "/srv/app.rb"}}), "conn.close");
  EXPECT_EQ(close_in({{Language::kPerl, "/srv/app.pl"}}), "$dbh->disconnect");
  EXPECT_EQ(close_in({{Language::kNative, "/srv/main.c"}}), "PQfinish");
  EXPECT_EQ(close_in({}), "PQfinish");
}

}  // namespace
}  // namespace pqleash::reporter
