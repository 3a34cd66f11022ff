// SPDX-License-Identifier: Apache-2.0
//
// Verdicts on pools: each fault beside the healthy neighbour that looks most like it.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "reporter/call_sites/told_apart.h"
#include "reporter/findings/answer.h"
#include "reporter/findings/detector.h"
#include "reporter/findings/severity.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kPeriod = kHistoryPeriodNs;
constexpr uint64_t kNow = 10'000 * kPeriod + 5 * kSecond;  // in the middle of a period
constexpr uint64_t kRealtime = 1'700'000'000 * kSecond;

// A process, described by what it did: seconds are counted back from now.
class Host {
 public:
  explicit Host(std::string service = "shop", uint64_t began_ago_s = 1'000) {
    snapshot_.process.life = Life::kLive;
    snapshot_.process.service = std::move(service);
    snapshot_.process.pid = 7;
    snapshot_.process.created_monotonic_ns = kNow - began_ago_s * kSecond;
    snapshot_.process.created_realtime_ns = kRealtime - began_ago_s * kSecond;
    snapshot_.as_of_ns = kNow;
    snapshot_.targets.resize(2);
    snapshot_.call_sites.resize(1);
  }

  // A place that opens connections; its number.
  uint32_t Place(uint64_t id, uint64_t in_use_peak = 1) {
    CallSite site;
    site.id = id;
    site.in_use_peak = in_use_peak;
    snapshot_.call_sites.push_back(site);
    snapshot_.totals.in_use_peak = std::max(snapshot_.totals.in_use_peak, in_use_peak);
    return static_cast<uint32_t>(snapshot_.call_sites.size() - 1);
  }
  CallSite& Site(uint32_t place) { return snapshot_.call_sites[place]; }

  uint32_t Target(const std::string& application_name) {
    pqleash::reporter::Target target;
    target.application_name = application_name;
    snapshot_.targets.push_back(target);
    return static_cast<uint32_t>(snapshot_.targets.size() - 1);
  }

  // An open connection.
  Connection& Open(uint32_t place, uint64_t opened_ago_s, uint64_t used_ago_s, uint32_t uses = 1,
                   uint32_t target = 1) {
    Connection connection;
    connection.call_site = place;
    connection.target = target;
    connection.transaction = Transaction::kIdle;
    connection.commands = uses;
    connection.use_counts[0] = uses;
    connection.tid = 1;
    connection.opened_ns = kNow - opened_ago_s * kSecond;
    connection.established_ns = connection.opened_ns + kMillisecond;
    connection.last_activity_ns = kNow - used_ago_s * kSecond;
    ++Site(place).opened;
    ++Site(place).open;
    ++snapshot_.totals.open;
    ++snapshot_.totals.opened;
    Happened(opened_ago_s).opened += 1;
    snapshot_.connections.push_back(connection);
    return snapshot_.connections.back();
  }

  void Closed(uint32_t place, uint64_t count, uint64_t life_s) {
    Site(place).opened += count;
    Site(place).closed += count;
    Site(place).closed_life_ns += count * life_s * kSecond;
    snapshot_.totals.opened += count;
    snapshot_.totals.closed += count;
  }

  // The ten seconds that lie so long ago.
  HistoryPeriod& Happened(uint64_t ago_s) {
    HistoryPeriod& period = history_[(kNow - ago_s * kSecond) / kPeriod];
    period.period = (kNow - ago_s * kSecond) / kPeriod;
    return period;
  }

  void Fail(FailureReason reason, uint64_t count, uint64_t last_ago_s, const std::string& text) {
    snapshot_.failures[static_cast<size_t>(reason)] = {count, kNow - last_ago_s * kSecond, text, 1};
    snapshot_.totals.failed += count;
  }

  void End() { snapshot_.process.life = Life::kEnded; }

  Snapshot Done() {
    snapshot_.history.clear();
    for (const auto& [number, period] : history_) snapshot_.history.push_back(period);
    return snapshot_;
  }

 private:
  Snapshot snapshot_;
  std::map<uint64_t, HistoryPeriod> history_;
};

struct Verdict {
  std::vector<Finding> findings;
  Answer answer;

  const Finding* Of(const std::string& kind) const {
    const auto found = std::find_if(findings.begin(), findings.end(),
                                    [&](const Finding& finding) { return finding.kind == kind; });
    return found == findings.end() ? nullptr : &*found;
  }
  uint64_t Count(const std::string& kind) const {
    return Of(kind) == nullptr ? 0 : Of(kind)->connections;
  }
  std::string Kinds() const {
    std::string kinds;
    for (const Finding& finding : findings) kinds += std::string(finding.kind) + ' ';
    return kinds;
  }
};

Verdict Judge(std::vector<Host> hosts) {
  std::vector<Snapshot> snapshots;
  for (Host& host : hosts) snapshots.push_back(host.Done());
  const std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  const Observation observation = {snapshots, groups, {}, {}, {}, {}, kRealtime};
  Verdict verdict;
  verdict.findings = FindAll(observation);
  verdict.answer = AnswerOf(observation, verdict.findings);
  return verdict;
}

// Worked in every period of the last `periods`, at an even pace.
void Works(Host* host, uint64_t periods, uint64_t uses, uint64_t use_ms, uint32_t open,
           uint32_t in_use_peak) {
  for (uint64_t i = 0; i < periods; ++i) {
    HistoryPeriod& period = host->Happened(i * 10);
    period.uses = uses;
    period.busy_ns = uses * use_ms * kMillisecond;
    period.open_peak = open;
    period.in_use_peak = in_use_peak;
  }
}

// ---------------------------------------------------------------------------------------------------
// Left behind.

// A pool that eight places fill, and from which one of them takes without giving back.
Host SharedPool(uint64_t leaked) {
  Host host;
  std::vector<uint32_t> places;
  for (uint64_t id = 1; id <= 8; ++id) places.push_back(host.Place(id));
  host.Open(places[0], 900, 0, 500);
  host.Open(places[1], 899, 0, 500);
  for (uint64_t i = 0; i < leaked; ++i) host.Open(places[i % 8], 40 + 6 * i, 39 + 6 * i);
  return host;
}

TEST(Pools, ALeakOfOnePoolIsFoundWhateverLinesFillIt) {
  const Verdict verdict = Judge({SharedPool(10)});
  EXPECT_GE(verdict.Count("leak-suspect"), 8u) << verdict.Kinds();
  EXPECT_EQ(verdict.findings.size(), 1u) << "one leak, one finding: " << verdict.Kinds();
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kLeak);
  EXPECT_NE(verdict.answer.sentence.find("opened at 8 places"), std::string::npos)
      << verdict.answer.sentence;
}

// ---------------------------------------------------------------------------------------------------
// Who took them last.

SourceFrame Line(const std::string& function, const std::string& file, uint32_t line) {
  SourceFrame frame;
  frame.function = function;
  frame.file = file;
  frame.line = line;
  frame.language = Language::kPython;
  return frame;
}

using Stacks = std::map<uint64_t, std::vector<SourceFrame>>;  // by id of a place

Verdict JudgeLines(Host host, const Stacks& stacks) {
  const std::vector<Snapshot> snapshots = {host.Done()};
  std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  for (CallSiteGroup& group : groups) {
    if (const auto stack = stacks.find(group.id); stack != stacks.end())
      group.frames = stack->second;
  }
  TellApart({}, &groups);
  const Observation observation = {snapshots, groups, {}, {}, {}, {}, kRealtime};
  Verdict verdict;
  verdict.findings = FindAll(observation);
  verdict.answer = AnswerOf(observation, verdict.findings);
  return verdict;
}

constexpr uint64_t kFill = 1;
constexpr uint64_t kOrder = 50;
constexpr uint64_t kRefund = 51;
const std::vector<SourceFrame> kFillStack = {
    Line("connect", "/usr/lib/python3/dist-packages/psycopg2/__init__.py", 122),
    Line("fill", "/srv/shop/pool.py", 10)};
const std::vector<SourceFrame> kOrderStack = {Line("ask", "/srv/shop/db.py", 6),
                                              Line("order", "/srv/shop/app.py", 14)};
const std::vector<SourceFrame> kRefundStack = {Line("ask", "/srv/shop/db.py", 6),
                                               Line("refund", "/srv/shop/app.py", 24)};
const Stacks kShop = {{kFill, kFillStack}, {kOrder, kOrderStack}, {kRefund, kRefundStack}};

// A pool that one line fills, and that grows by what a handler does not give back. `takers`: who
// took each of what was left, by id, round and round; 0: not known.
Host LeakingPool(const std::vector<uint64_t>& takers) {
  Host host;
  const uint32_t fill = host.Place(kFill);
  std::map<uint64_t, uint32_t> places = {{0, 0}};
  for (const uint64_t id :
       {kOrder, kRefund, uint64_t{60}, uint64_t{61}, uint64_t{62}, uint64_t{63}})
    places[id] = host.Place(id);
  host.Open(fill, 900, 0, 500).used_site = places[kOrder];
  host.Open(fill, 899, 0, 500).used_site = places[kOrder];
  for (uint64_t i = 0; i < 10; ++i)
    host.Open(fill, 40 + 6 * i, 39 + 6 * i).used_site = places[takers[i % takers.size()]];
  return host;
}

bool Holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(LastTaken, NamesTheHandlerThatKeepsAndTheLineThatOpens) {
  const Verdict verdict = JudgeLines(LeakingPool({kRefund}), kShop);
  const Finding* leak = verdict.Of("leak-suspect");
  ASSERT_NE(leak, nullptr) << verdict.Kinds();
  const std::string line = "ask (/srv/shop/db.py:6), called by refund (/srv/shop/app.py:24)";
  ASSERT_TRUE(leak->last_taken.has_value()) << leak->summary;
  EXPECT_EQ(leak->last_taken->line, line);
  EXPECT_EQ(leak->last_taken->call_site, kRefund);
  EXPECT_EQ(leak->last_taken->connections, leak->connections);
  EXPECT_TRUE(Holds(leak->summary,
                    "opened by fill (/srv/shop/pool.py:10), last taken by " + line + ", and never"))
      << leak->summary;
  EXPECT_TRUE(Holds(verdict.answer.sentence, "last taken by " + line)) << verdict.answer.sentence;
  EXPECT_FALSE(Holds(verdict.answer.sentence, "opened by")) << verdict.answer.sentence;
  ASSERT_EQ(leak->stacks.size(), 2u);
  EXPECT_EQ(leak->stacks[0].what, "opened at");
  EXPECT_EQ(leak->stacks[1].what, "last taken at");
  EXPECT_EQ(leak->stacks[1].frames.size(), 2u);
}

TEST(LastTaken, SaysOfHowMany) {
  const Verdict verdict = JudgeLines(LeakingPool({kRefund, kRefund, kOrder, 0}), kShop);
  const Finding* leak = verdict.Of("leak-suspect");
  ASSERT_NE(leak, nullptr);
  ASSERT_TRUE(leak->last_taken.has_value()) << leak->summary;
  EXPECT_LT(leak->last_taken->connections, leak->connections);
  EXPECT_TRUE(Holds(leak->summary, " of ")) << leak->summary;
  EXPECT_TRUE(Holds(leak->summary, "last taken by ask")) << leak->summary;
}

TEST(LastTaken, IsNotSaidWhereItSaysNothing) {
  const auto taken = [](const Verdict& verdict) {
    const Finding* leak = verdict.Of("leak-suspect");
    EXPECT_NE(leak, nullptr);
    return leak != nullptr && leak->last_taken.has_value();
  };
  EXPECT_FALSE(taken(JudgeLines(LeakingPool({0, 0, kRefund}), kShop))) << "known of too few";
  EXPECT_FALSE(taken(JudgeLines(LeakingPool({kRefund}), {{kFill, kFillStack}}))) << "no frames";
  // By the function that opened it: the line of the connect is where to look.
  Stacks same = kShop;
  same[kRefund] = {Line("ask", "/srv/shop/db.py", 6), Line("fill", "/srv/shop/pool.py", 12)};
  EXPECT_FALSE(taken(JudgeLines(LeakingPool({kRefund}), same)));
  // By a pool's own thread.
  Stacks library = kShop;
  library[kRefund] = {Line("check", "/usr/lib/python3/dist-packages/psycopg_pool/pool.py", 300),
                      Line("run", "/usr/lib/python3.11/threading.py", 982)};
  EXPECT_FALSE(taken(JudgeLines(LeakingPool({kRefund}), library)));
  // By everybody.
  Stacks many = kShop;
  std::vector<uint64_t> takers = {kOrder, kRefund};
  for (const uint64_t id : {60, 61, 62, 63}) {
    many[id] = {Line("handler", "/srv/shop/h" + std::to_string(id) + ".py", 3)};
    takers.push_back(id);
  }
  EXPECT_FALSE(taken(JudgeLines(LeakingPool(takers), many)));
}

// One handler, whoever calls it: the stacks go on to differ further out.
TEST(LastTaken, IsTheHandlerWhoeverCallsIt) {
  Stacks stacks = kShop;
  std::vector<uint64_t> takers;
  for (const uint32_t id : {60u, 61u, 62u, 63u}) {
    stacks[id] = kRefundStack;
    stacks[id].push_back(Line("route", "/srv/shop/web.py", id));
    takers.push_back(id);
  }
  const Verdict among_others = JudgeLines(LeakingPool(takers), stacks);
  const Finding* leak = among_others.Of("leak-suspect");
  ASSERT_NE(leak, nullptr);
  ASSERT_TRUE(leak->last_taken.has_value()) << leak->summary;
  EXPECT_EQ(leak->last_taken->line,
            "ask (/srv/shop/db.py:6), called by refund (/srv/shop/app.py:24)");
  EXPECT_EQ(leak->last_taken->connections, leak->connections);
  // Nobody else takes any: the first difference is in who calls the handler, and says nothing.
  Stacks alone = stacks;
  alone.erase(kOrder);
  alone.erase(kRefund);
  const Verdict verdict = JudgeLines(LeakingPool(takers), alone);
  leak = verdict.Of("leak-suspect");
  ASSERT_NE(leak, nullptr);
  ASSERT_TRUE(leak->last_taken.has_value()) << leak->summary;
  EXPECT_EQ(leak->last_taken->line, "ask (/srv/shop/db.py:6)");
}

// A place that only takes up is no place that opens: nothing else may change for it.
TEST(LastTaken, ChangesNoVerdict) {
  for (const uint64_t taker : {uint64_t{0}, kRefund, kOrder}) {
    EXPECT_EQ(JudgeLines(LeakingPool({taker}), kShop).Kinds(), "leak-suspect ");
    Host healthy;
    const uint32_t fill = healthy.Place(kFill);
    const uint32_t refund = healthy.Place(kRefund);
    for (int i = 0; i < 4; ++i) healthy.Open(fill, 900, 20, 50).used_site = refund;
    const Verdict verdict = JudgeLines(healthy, kShop);
    EXPECT_EQ(verdict.Kinds(), "") << "given back, and at rest";
  }
}

TEST(Pools, ALeakThatHasStoppedGrowingStaysOne) {
  Host host;
  const uint32_t place = host.Place(1);
  host.Open(place, 3'000, 0, 500);
  for (uint64_t i = 0; i < 6; ++i) host.Open(place, 800 + 5 * i, 799 + 5 * i);
  EXPECT_GE(Judge({host}).Count("leak-suspect"), 4u);
}

TEST(Pools, FewerThanFourAreNoLeakWhileTheyAreYoung) {
  EXPECT_EQ(Judge({SharedPool(3)}).Count("leak-suspect"), 0u);
}

TEST(Pools, OneHelperThatIsCalledFromTwentyPlacesIsOneLeak) {
  Host host;
  for (uint64_t id = 1; id <= 20; ++id) host.Open(host.Place(id), 400 - 10 * id, 399 - 10 * id);
  const Verdict verdict = Judge({host});
  EXPECT_GE(verdict.Count("leak-suspect"), 15u) << verdict.Kinds();
  EXPECT_EQ(verdict.findings.size(), 1u);
}

// A pool that closes what is old and opens a new one when its turn comes (pool_recycle): what has
// not had its turn was used before newer ones were opened, and nothing has grown.
TEST(Pools, APoolThatRecyclesLeaksNothing) {
  Host host;
  const uint32_t place = host.Place(1, 10);
  for (uint64_t i = 0; i < 10; ++i) host.Open(place, 3 * i, 3 * i);
  for (uint64_t ago = 0; ago < 300; ago += 10) host.Happened(ago).closed = 3;
  host.Closed(place, 90, 30);
  EXPECT_EQ(Judge({host}).Kinds(), "");
}

// Opened one after the other, silent since, beside a small pool.
TEST(Pools, AFewListenersAreNoLeak) {
  Host host;
  const uint32_t pool = host.Place(1, 2);
  const uint32_t listen = host.Place(2);
  host.Open(pool, 900, 0, 500);
  host.Open(pool, 899, 0, 500);
  for (uint64_t i = 0; i < 5; ++i) host.Open(listen, 880 - 5 * i, 880 - 5 * i);
  EXPECT_EQ(Judge({host}).Count("leak-suspect"), 0u);
}

TEST(Pools, ManyListenersThatAreCompleteAreNoLeakAndThoseThatKeepComingAre) {
  for (const uint64_t begun_ago : {600u, 130u}) {
    Host host;
    const uint32_t pool = host.Place(1, 2);
    const uint32_t listen = host.Place(2);
    host.Open(pool, 900, 0, 500);
    host.Open(pool, 899, 0, 500);
    for (uint64_t i = 0; i < 20; ++i) host.Open(listen, begun_ago - 5 * i, begun_ago - 5 * i);
    EXPECT_EQ(Judge({host}).Count("leak-suspect") != 0, begun_ago == 130) << begun_ago;
  }
}

// A pool of five that was filled in advance, of which one thread needs one, at rest for an hour.
TEST(Pools, APoolAtNightIsNoLeak) {
  for (const uint32_t uses_of_the_others : {0u, 1u}) {
    Host host("shop", 7'300);
    const uint32_t place = host.Place(1);
    for (int i = 0; i < 4; ++i) host.Open(place, 7'300, 7'300, uses_of_the_others);
    host.Open(place, 7'300, 3'600, 200);
    EXPECT_EQ(Judge({host}).Count("leak-suspect"), 0u) << uses_of_the_others;
  }
}

// A burst in the morning needed all of them at once; now and then one is used.
TEST(Pools, APoolThatNeededAllOfThemOnceIsNoLeak) {
  Host host;
  const uint32_t place = host.Place(1, 10);
  for (uint64_t i = 0; i < 10; ++i) host.Open(place, 900 - 2 * i, 800 - 60 * i, 20);
  EXPECT_EQ(Judge({host}).Count("leak-suspect"), 0u);
}

// Sessions that clients hold: as many end as begin.
TEST(Pools, SessionsOfClientsThatEndEvenlyAreNoLeak) {
  Host host;
  const uint32_t place = host.Place(1);
  for (uint64_t i = 0; i < 17; ++i) host.Open(place, 2 * i, 2 * i);
  for (uint64_t ago = 0; ago < 900; ago += 10) {
    host.Happened(ago).opened = 5;
    host.Happened(ago).closed = ago > 860 ? 0 : 5;
    host.Happened(ago).open_peak = 18;
  }
  host.Closed(place, 430, 35);
  EXPECT_EQ(Judge({host}).Kinds(), "");
}

// Used once, dropped, and closed when the collector of garbage comes by; in the last `evenly_s` as
// evenly as opened, by chance.
Host Dropped(uint64_t evenly_s) {
  Host host;
  const uint32_t place = host.Place(1);
  for (uint64_t i = 0; i < 21; ++i) host.Open(place, i, i);
  for (uint64_t ago = 0; ago < 900; ago += 10) {
    host.Happened(ago).opened = 18;
    host.Happened(ago).closed = ago < evenly_s ? 18 : ago / 10 % 2 == 0 ? 36 : 0;
    host.Happened(ago).open_peak = 36;
  }
  host.Closed(place, 1'600, 8);
  return host;
}

TEST(Pools, WhatACollectorClosedAMinuteAgoItStillDoes) {
  EXPECT_EQ(Judge({Dropped(60)}).answer.verdict, Answer::Verdict::kLeak);
  EXPECT_NE(Judge({Dropped(300)}).answer.verdict, Answer::Verdict::kLeak);
}

TEST(Pools, WhatACollectorClosesWasDropped) {
  const Verdict verdict = Judge({Dropped(0)});
  EXPECT_NE(verdict.Count("leak-suspect"), 0u) << verdict.Kinds();
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kLeak);
}

TEST(Pools, TheSentenceTellsWhichOfTwoPoolsLeaks) {
  Host host;
  const uint32_t worker = host.Place(1, 2);  // a pool's thread connects for both
  const uint32_t orders = host.Target("orders");
  const uint32_t audit = host.Target("audit");
  for (int i = 0; i < 2; ++i) host.Open(worker, 900, 0, 100, orders);
  host.Open(worker, 900, 0, 100, audit);
  for (uint64_t i = 0; i < 12; ++i) host.Open(worker, 40 + 5 * i, 39 + 5 * i, 1, audit);
  const Verdict verdict = Judge({host});
  EXPECT_NE(verdict.answer.sentence.find("application_name audit"), std::string::npos)
      << verdict.answer.sentence;
}

// ---------------------------------------------------------------------------------------------------
// Kept, and come back to.

Host Hoard(uint64_t rest_s) {
  Host host;
  const uint32_t place = host.Place(1);
  for (uint64_t i = 0; i < 30; ++i) {
    Connection& connection = host.Open(place, 200 + 3 * i, 3 + i % 40, 5);
    connection.longest_rest_ns = rest_s * kSecond;
  }
  Works(&host, 30, 40, 5, 30, 1);
  return host;
}

TEST(Pools, WhatIsComeBackToIsHoardedNotLeaked) {
  const Verdict verdict = Judge({Hoard(40)});
  EXPECT_EQ(verdict.Count("leak-suspect"), 0u) << verdict.Kinds();
  EXPECT_EQ(verdict.Count("over-provisioned"), 30u) << verdict.Kinds();
}

// One more every three seconds, of which the first have been come back to.
TEST(Pools, AHoardIsKnownWhileItGrows) {
  const auto growing = [](uint64_t returned) {
    Host host;
    const uint32_t place = host.Place(1);
    host.Open(place, 900, 0, 900);
    for (uint64_t i = 0; i < 20; ++i) {
      Connection& connection = host.Open(place, 60 - 3 * i, i < 7 ? 3 * i : 60 - 3 * i, 2);
      if (i < returned) connection.longest_rest_ns = 40 * kSecond;
    }
    Works(&host, 30, 40, 5, 21, 1);
    return Judge({host});
  };
  EXPECT_EQ(growing(6).answer.verdict, Answer::Verdict::kTooLarge) << growing(6).answer.sentence;
  EXPECT_NE(growing(0).answer.verdict, Answer::Verdict::kTooLarge);
}

// ---------------------------------------------------------------------------------------------------
// A full server.

Host Holder(const std::string& service, uint64_t held, uint64_t opened_ago_s) {
  Host host(service);
  const uint32_t place = host.Place(std::hash<std::string>()(service) | 1, 2);
  for (uint64_t i = 0; i < held; ++i) host.Open(place, opened_ago_s, i < 2 ? 0 : opened_ago_s, 3);
  Works(&host, 90, 50, 10, static_cast<uint32_t>(held), 2);
  return host;
}

TEST(Pools, TheVictimOfAFullServerIsNotAccused) {
  Host victim = Holder("victim", 8, 900);
  victim.Happened(20).server_full = 5;
  const Verdict verdict = Judge({victim});
  EXPECT_EQ(verdict.Count("over-provisioned"), 0u) << verdict.Kinds();
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kServer);
}

TEST(Pools, WhoGrewWhenItBecameFullIs) {
  Host victim = Holder("victim", 8, 900);
  victim.Happened(20).server_full = 5;
  const Verdict verdict = Judge({victim, Holder("deployed", 12, 25)});
  ASSERT_NE(verdict.Of("over-provisioned"), nullptr) << verdict.Kinds();
  EXPECT_NE(verdict.Of("over-provisioned")->summary.find("deployed"), std::string::npos);
}

// What hurts is the full server, not a few that were left long ago by somebody else.
TEST(Pools, AFullServerComesBeforeAFewThatLeak) {
  const auto first = [](uint64_t leaked) {
    Host big = Holder("big", 36, 25);
    big.Happened(10).server_full = 80;
    Host leaky = SharedPool(leaked);
    const Verdict verdict = Judge({big, leaky});
    EXPECT_NE(verdict.Of("leak-suspect"), nullptr) << verdict.Kinds();
    EXPECT_NE(verdict.Of("server-full"), nullptr) << verdict.Kinds();
    const auto position = [&](const std::string& kind) { return verdict.Kinds().find(kind); };
    return position("leak-suspect") < position("server-full");
  };
  EXPECT_FALSE(first(7));
  EXPECT_TRUE(first(24));
}

// ---------------------------------------------------------------------------------------------------
// Waiting for a connection.

// Each of `threads` has used some of the connections.
Host Pool(uint64_t open, uint64_t use_ms, uint64_t uses, uint32_t handovers, uint32_t changes) {
  Host host;
  const uint32_t place = host.Place(1, open);
  for (uint64_t i = 0; i < open; ++i) {
    Connection& connection = host.Open(place, 900, 0, static_cast<uint32_t>(uses * 90 / open));
    connection.busy_ns = uses * 90 / open * use_ms * kMillisecond;
    connection.last_thread = 0x1000 * (i + 1);
  }
  Works(&host, 90, uses, use_ms, static_cast<uint32_t>(open), static_cast<uint32_t>(open));
  for (uint64_t i = 0; i < 3; ++i) {
    host.Happened(10 * i).handovers = handovers;
    host.Happened(10 * i).thread_changes = changes;
  }
  return host;
}

TEST(Pools, TurnsThatWereWaitedForMeanTooFewHoweverIdle) {
  // In use 40 % of the time, and handed over from thread to thread.
  const Verdict verdict = Judge({Pool(2, 60, 133, 50, 60)});
  EXPECT_EQ(verdict.Count("saturated"), 2u) << verdict.Kinds();
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kTooSmall);
}

TEST(Pools, ABusyPoolThatNobodyWaitsForIsLargeEnough) {
  EXPECT_EQ(Judge({Pool(4, 95, 400, 10, 300)}).Kinds(), "");
}

TEST(Pools, ThreadsWithConnectionsOfTheirOwnWaitForNone) {
  EXPECT_EQ(Judge({Pool(4, 99, 400, 0, 0)}).Kinds(), "");
}

TEST(Pools, ProcessesWithAConnectionEachWaitForNone) {
  EXPECT_EQ(Judge({Pool(1, 99, 100, 0, 0), Pool(1, 99, 100, 0, 0), Pool(1, 99, 100, 0, 0)}).Kinds(),
            "");
}

// ---------------------------------------------------------------------------------------------------
// Paused inside of transactions.

// A pool whose users think for `paused_s` each, in seconds, inside of a transaction.
Host Thinking(const std::vector<uint64_t>& paused_s) {
  Host host;
  const uint32_t place = host.Place(1, paused_s.size());
  for (const uint64_t paused : paused_s) {
    Connection& connection = host.Open(place, 900, paused, 50);
    connection.transaction = Transaction::kOpen;
    connection.busy_since_ns = kNow - (paused + 1) * kSecond;
  }
  const auto open = static_cast<uint32_t>(paused_s.size());
  Works(&host, 30, 3, 15'000, open, open);
  return host;
}

TEST(Pools, UsersThatThinkInsideOfTransactionsAreSeenAtAnyMoment) {
  EXPECT_EQ(Judge({Thinking({12, 11, 4, 0, 0})}).Count("idle-in-transaction"), 3u);
  EXPECT_EQ(Judge({Thinking({2, 1, 1, 0, 0})}).Kinds(), "");
}

// ---------------------------------------------------------------------------------------------------
// More to do, or the same more slowly.

// A pool of four whose last thirty seconds are others than before.
Host Changed(uint64_t uses_before, uint64_t ms_before, uint64_t uses_now, uint64_t ms_now) {
  Host host = Pool(4, ms_before, uses_before, 40, 50);
  for (uint64_t i = 0; i < 3; ++i) {
    HistoryPeriod& period = host.Happened(10 * i);
    period.uses = uses_now;
    period.busy_ns = uses_now * ms_now * kMillisecond;
  }
  return host;
}

TEST(Pools, AFullPoolShowsNoMoreThanItsSizeOfASpike) {
  // 40 % used, then all of it: two and a half times the work is what it can do at most.
  const Verdict verdict = Judge({Changed(80, 200, 200, 200)});
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kDemand) << verdict.Kinds();
}

TEST(Pools, TheSameWorkTakingLongerIsNoSmallLimit) {
  const Verdict verdict = Judge({Changed(120, 130, 20, 2'000)});
  EXPECT_EQ(verdict.Count("lock-wait"), 4u) << verdict.Kinds();
  EXPECT_EQ(verdict.Count("saturated"), 0u) << verdict.Kinds();
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kOther);
}

// Whoever goes on after it has waited for a lock inside of a use does not take over a connection at
// once: fewer handovers tell the same where all are taken all the time.
TEST(Pools, AllTakenWithFewerHandoversIsFullToo) {
  const auto waiting = [](uint32_t handovers, uint64_t use_ms) {
    Host host = Changed(120, 130, 20, use_ms);
    for (uint64_t i = 0; i < 3; ++i) host.Happened(10 * i).handovers = handovers;
    return Judge({host});
  };
  EXPECT_EQ(waiting(20, 2'000).Count("lock-wait"), 4u);
  EXPECT_EQ(waiting(7, 2'000).Kinds(), "") << "by chance";
  EXPECT_EQ(waiting(20, 600).Kinds(), "") << "some are free";
}

// ---------------------------------------------------------------------------------------------------
// Failing connects.

TEST(Pools, ConnectsThatKeepFailingAreSaidWithTheReason) {
  Host host;
  host.Place(1);
  for (uint64_t ago = 0; ago < 60; ago += 10) host.Happened(ago).failed = 150;
  host.Fail(FailureReason::kAuthentication, 900, 0,
            "password authentication failed for user \"app\"");
  const Verdict verdict = Judge({host});
  ASSERT_NE(verdict.Of("connect-failures"), nullptr) << verdict.Kinds();
  EXPECT_NE(verdict.answer.sentence.find("password"), std::string::npos);
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kOther);
}

TEST(Pools, AServerThatIsStartedAgainIsNoFailure) {
  Host host;
  const uint32_t place = host.Place(1, 6);
  for (int i = 0; i < 6; ++i) host.Open(place, 20, 0, 100);
  host.Happened(20).failed = 12;
  host.Fail(FailureReason::kRefused, 12, 21, "Connection refused");
  EXPECT_EQ(Judge({host}).Count("connect-failures"), 0u);
}

// A pool that takes broken connections back, and one that waits before it tries again.
TEST(Pools, SeveralBrokenOnesThatAreKeptAreAPools) {
  const auto kept = [](uint64_t count, uint64_t for_s) {
    Host host;
    const uint32_t place = host.Place(1, 2);
    for (uint64_t i = 0; i < count; ++i)
      host.Open(place, 900, for_s, 50).state = ConnectionState::kBroken;
    return Judge({host});
  };
  EXPECT_EQ(kept(3, 21).Count("server-closed"), 3u);
  EXPECT_EQ(kept(2, 21).Kinds(), "");
  EXPECT_EQ(kept(2, 31).Count("server-closed"), 2u);
  EXPECT_EQ(kept(3, 5).Kinds(), "");
  EXPECT_EQ(kept(3, 5).answer.verdict, Answer::Verdict::kEarly);
}

TEST(Pools, ALimitOfTheRoleIsNoFullServer) {
  Host host;
  const uint32_t place = host.Place(1, 12);
  for (int i = 0; i < 12; ++i) host.Open(place, 1, 0);
  host.Fail(FailureReason::kRoleLimit, 40, 0, "too many connections for role \"r12\"");
  const Verdict verdict = Judge({host});
  EXPECT_NE(verdict.Of("role-limit"), nullptr) << verdict.Kinds();
  EXPECT_EQ(verdict.Of("server-full"), nullptr) << verdict.Kinds();
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kTooSmall);
}

// ---------------------------------------------------------------------------------------------------
// Processes that come and go.

std::vector<Snapshot> Jobs(uint64_t count, uint64_t every_ms) {
  std::vector<Snapshot> snapshots;
  for (uint64_t i = 0; i < count; ++i) {
    Host host("cron");
    host.Closed(host.Place(1), 1, 0);
    host.End();
    Snapshot snapshot = host.Done();
    snapshot.process.created_monotonic_ns = kNow - i * every_ms * kMillisecond;
    snapshot.process.created_realtime_ns = kRealtime - i * every_ms * kMillisecond;
    snapshot.as_of_ns = snapshot.process.created_monotonic_ns + 60 * kMillisecond;
    snapshots.push_back(snapshot);
  }
  return snapshots;
}

std::string KindsOf(const std::vector<Snapshot>& snapshots) {
  const std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  Verdict verdict;
  verdict.findings = FindAll({snapshots, groups, {}, {}, {}, {}, kRealtime});
  return verdict.Kinds();
}

TEST(Pools, AProcessForEachPieceOfWorkIsChurn) {
  EXPECT_EQ(KindsOf(Jobs(60, 200)), "connection-churn ");
}

TEST(Pools, AJobEveryThreeSecondsIsNone) { EXPECT_EQ(KindsOf(Jobs(20, 3'000)), ""); }

TEST(Pools, ATestSuiteOfYesterdayIsNone) {
  std::vector<Snapshot> snapshots = Jobs(60, 200);
  for (Snapshot& snapshot : snapshots) snapshot.process.created_realtime_ns -= 86'400 * kSecond;
  EXPECT_EQ(KindsOf(snapshots), "");
}

// ---------------------------------------------------------------------------------------------------
// Severity.

TEST(Pools, ALeakIsCriticalWhereSomebodyHasToDoWithoutAConnection) {
  const Verdict alone = Judge({SharedPool(24)});
  ASSERT_NE(alone.Of("leak-suspect"), nullptr);
  EXPECT_EQ(alone.Of("leak-suspect")->severity, Severity::kWarning);
  Host refused = Holder("refused", 4, 900);
  refused.Happened(10).server_full = 80;
  const Verdict full = Judge({SharedPool(24), refused});
  ASSERT_NE(full.Of("leak-suspect"), nullptr);
  EXPECT_EQ(full.Of("leak-suspect")->severity, Severity::kCritical);
  EXPECT_TRUE(
      std::is_sorted(full.findings.begin(), full.findings.end(),
                     [](const Finding& a, const Finding& b) { return a.severity > b.severity; }));
}

TEST(Pools, ALevelIsMetByTheSevereAndTheSure) {
  const auto met = [](const char* name, Confidence sure, Severity severe) {
    return LevelNamed(name)->MetBy(sure, severe);
  };
  EXPECT_TRUE(met("likely", Confidence::kLikely, Severity::kInfo));
  EXPECT_FALSE(met("proven", Confidence::kLikely, Severity::kCritical));
  EXPECT_TRUE(met("proven", Confidence::kProven, Severity::kInfo));
  EXPECT_TRUE(met("warning", Confidence::kLikely, Severity::kCritical));
  EXPECT_FALSE(met("critical", Confidence::kProven, Severity::kWarning));
  EXPECT_FALSE(LevelNamed("maybe"));
}

// ---------------------------------------------------------------------------------------------------
// The answer.

TEST(Pools, NothingThatWasLookedAtIsNoAllClear) {
  EXPECT_EQ(Judge({}).answer.verdict, Answer::Verdict::kUnobserved);
}

TEST(Pools, AYoungProcessIsNotJudged) {
  Host host("shop", 6);
  host.Open(host.Place(1), 5, 5);
  const Verdict verdict = Judge({host});
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kEarly);
  EXPECT_NE(verdict.answer.sentence.find("ask again in"), std::string::npos);
}

TEST(Pools, WhatGrowsIsNotCalledHealthy) {
  Host host = SharedPool(0);
  for (uint64_t i = 0; i < 2; ++i) host.Open(1, 8 + i, 7 + i);
  EXPECT_EQ(Judge({host}).answer.verdict, Answer::Verdict::kEarly);
}

// It has rested for as long as the sentence asks for: then it says what else is waited for.
TEST(Pools, AFilledPoolAtRestIsSaidToBeOne) {
  Host host("shop", 50);
  const uint32_t place = host.Place(1);
  for (int i = 0; i < 20; ++i) host.Open(place, 50, 49);
  const Verdict verdict = Judge({host});
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kEarly);
  EXPECT_TRUE(Holds(verdict.answer.sentence, "all have rested for 49 s, as a filled pool does"))
      << verdict.answer.sentence;
  host.Open(place, 20, 19);
  EXPECT_TRUE(Holds(Judge({host}).answer.sentence, "shows when they have rested for 30 s"));
}

TEST(Pools, WhatWasNeverUsedSinceItWasFilledIsNoAllClear) {
  const auto answer = [](uint64_t used_ago_s) {
    Host host;
    const uint32_t place = host.Place(1);
    for (int i = 0; i < 5; ++i) host.Open(place, 400, 399);
    host.Open(place, 400, used_ago_s, 20);
    return Judge({host}).answer;
  };
  EXPECT_EQ(answer(399).verdict, Answer::Verdict::kEarly);
  EXPECT_TRUE(Holds(answer(399).sentence, "Nothing to judge by: shop opened 6 connections"))
      << answer(399).sentence;
  EXPECT_EQ(answer(200).verdict, Answer::Verdict::kNone) << "one of them was worked with";
}

TEST(Pools, ConnectsThatHaveBegunToFailAreNotCalledHealthy) {
  Host host = SharedPool(0);
  host.Happened(10).failed = 8;
  EXPECT_EQ(Judge({host}).answer.verdict, Answer::Verdict::kEarly);
  Host one = SharedPool(0);
  one.Happened(10).failed = 1;
  EXPECT_EQ(Judge({one}).answer.verdict, Answer::Verdict::kNone);
}

TEST(Pools, MoreToDoWithHardlyOneFreeIsNotCalledHealthy) {
  const auto rise = [](uint32_t in_use_peak, uint64_t ago_s) {
    Host host("shop", 300);
    const uint32_t place = host.Place(1, in_use_peak);
    for (int i = 0; i < 5; ++i) host.Open(place, 290, 0, 500);
    Works(&host, 30, 60, 50, 5, 2);
    for (uint64_t ago = 0; ago < ago_s; ago += 10) {
      host.Happened(ago).uses = 120;
      host.Happened(ago).in_use_peak = in_use_peak;
    }
    return Judge({host}).answer.verdict;
  };
  EXPECT_EQ(rise(5, 20), Answer::Verdict::kEarly);
  EXPECT_EQ(rise(3, 20), Answer::Verdict::kNone) << "there is room";
  EXPECT_EQ(rise(5, 100), Answer::Verdict::kNone) << "they have sufficed for a minute and more";
}

TEST(Pools, APoolInItsStrideIsHealthy) {
  const Verdict verdict = Judge({SharedPool(0)});
  EXPECT_EQ(verdict.answer.verdict, Answer::Verdict::kNone) << verdict.answer.sentence;
}

}  // namespace
}  // namespace pqleash::reporter
