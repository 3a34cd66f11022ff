// SPDX-License-Identifier: Apache-2.0
//
// Findings that take more than one connection to see: what a service has done in the last minutes.
// Both sides of every threshold, the five outages that the findings are made for, and the healthy
// services that look like them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "reporter/findings/answer.h"
#include "reporter/findings/detector.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// In the middle of a period.
constexpr uint64_t kNow = 100'000 * kSecond + 5 * kSecond;

uint64_t Ago(double seconds) {
  return kNow - static_cast<uint64_t>(seconds * static_cast<double>(kSecond));
}

// An open connection: how long ago it was opened and last used.
struct Conn {
  double opened_ago_s = 600;
  double used_ago_s = 0;
  double took_s = 0;  // of the time since, to connect
  uint64_t commands = 100;
  int32_t tid = 1;
  double busy_s = 0;        // of uses that have ended
  double busy_since_s = 0;  // 0: idle
  Transaction transaction = Transaction::kIdle;
  uint32_t target = 0;
};

// A process, told from its connections and its periods.
class Story {
 public:
  explicit Story(const std::string& service = "orders", double since_s = 600) {
    snapshot_.process.service = service;
    snapshot_.process.life = Life::kLive;
    snapshot_.process.created_monotonic_ns = Ago(since_s);
    snapshot_.as_of_ns = kNow;
    snapshot_.targets.resize(3);
    snapshot_.call_sites.resize(1);
  }

  // Another place. Its id follows from the service's name: two processes of one have the same.
  Story& At(uint64_t in_use_peak, uint64_t closed = 0, double usual_life_s = 0,
            double newest_ago_s = 600) {
    CallSite site;
    site.id = std::hash<std::string>()(snapshot_.process.service) + snapshot_.call_sites.size();
    site.in_use_peak = in_use_peak;
    site.closed = site.opened = closed;
    site.closed_life_ns =
        closed * static_cast<uint64_t>(usual_life_s * static_cast<double>(kSecond));
    site.last_ns = Ago(newest_ago_s);
    snapshot_.call_sites.push_back(site);
    snapshot_.totals.in_use_peak += in_use_peak;
    return *this;
  }

  Story& Open(const Conn& conn, int count = 1) {
    for (int i = 0; i < count; ++i) {
      Connection connection;
      connection.call_site = static_cast<uint32_t>(snapshot_.call_sites.size() - 1);
      connection.target = conn.target;
      connection.tid = conn.tid;
      connection.opened_ns = Ago(conn.opened_ago_s);
      connection.established_ns = Ago(conn.opened_ago_s - conn.took_s);
      connection.last_activity_ns = Ago(conn.used_ago_s);
      connection.commands = conn.commands;
      connection.use_counts[0] = static_cast<uint32_t>(conn.commands);
      connection.transaction = conn.transaction;
      connection.busy_ns = static_cast<uint64_t>(conn.busy_s * static_cast<double>(kSecond));
      connection.busy_since_ns = conn.busy_since_s == 0 ? 0 : Ago(conn.busy_since_s);
      CallSite& site = snapshot_.call_sites.back();
      ++site.opened;
      ++site.open;
      site.last_ns = std::max(site.last_ns, connection.opened_ns);
      ++snapshot_.totals.open;
      snapshot_.totals.in_use += connection.busy_since_ns != 0;
      snapshot_.connections.push_back(connection);
    }
    return *this;
  }

  // The same happened in each of the periods from `first` to `last` periods ago; 0 is the running
  // one.
  Story& In(uint64_t first, uint64_t last, HistoryPeriod happened) {
    for (uint64_t ago = first + 1; ago-- > last;) {
      happened.period = kNow / kHistoryPeriodNs - ago;
      snapshot_.history.push_back(happened);
    }
    return *this;
  }

  const Snapshot& snapshot() const { return snapshot_; }

 private:
  Snapshot snapshot_;
};

HistoryPeriod Opens(uint32_t opened, uint32_t closed, uint32_t open_peak = 1) {
  HistoryPeriod happened;
  happened.opened = opened;
  happened.closed = closed;
  happened.open_peak = open_peak;
  happened.in_use_peak = open_peak;
  happened.uses = opened;
  return happened;
}

HistoryPeriod Works(uint64_t uses, uint32_t in_use_peak, double busy_s) {
  HistoryPeriod happened;
  happened.uses = uses;
  happened.in_use_peak = in_use_peak;
  happened.busy_ns = static_cast<uint64_t>(busy_s * static_cast<double>(kSecond));
  return happened;
}

HistoryPeriod Refused(uint32_t server_full) {
  HistoryPeriod happened;
  happened.failed = happened.server_full = server_full;
  return happened;
}

struct Told {
  std::vector<std::string> kinds;
  std::vector<Finding> findings;
  Answer answer;
};

Told Tell(const std::vector<Story>& stories, const std::vector<CapsPolicy>& caps = {}) {
  std::vector<Snapshot> snapshots;
  for (const Story& story : stories) snapshots.push_back(story.snapshot());
  const std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  const Observation observation = {snapshots, groups, {}, {}, {}, caps};
  Told told;
  told.findings = FindAll(observation);
  for (const Finding& finding : told.findings) told.kinds.emplace_back(finding.kind);
  told.answer = AnswerOf(observation, told.findings);
  return told;
}

std::vector<std::string> Kinds(const Story& story) { return Tell({story}).kinds; }

struct Case {
  const char* what;
  Story story;
  bool found;
};

void Check(const std::string& kind, const std::vector<Case>& cases) {
  for (const Case& test : cases) {
    EXPECT_EQ(Kinds(test.story), test.found ? std::vector{kind} : std::vector<std::string>())
        << test.what;
  }
}

// Opened every `step_s` from `from_s` to `to_s` ago, each used for the last time right after,
// beside one that is given back each time.
Story Leaking(double from_s, double to_s, double step_s, Conn conn = {}, uint64_t in_use_peak = 1) {
  Story story;
  story.At(in_use_peak).Open({});
  for (double ago = from_s; ago >= to_s; ago -= step_s) {
    conn.opened_ago_s = ago;
    conn.used_ago_s = ago - 0.1;
    conn.tid += conn.tid > 1;  // each by another thread, where it is not thread 1
    story.Open(conn);
  }
  return story;
}

TEST(LeakThatGrows, ShowsWithin30Seconds) {
  const Conn never_used = {.commands = 0};
  const Conn threads = {.tid = 2};
  const Conn slow_connects = {.took_s = 0.95};
  const Conn in_transaction = {.busy_since_s = 12, .transaction = Transaction::kOpen};
  Check(
      "leak-suspect",
      {{"one a second", Leaking(28, 0, 1), true},
       {"four left behind for 10 s, and newer ones", Leaking(26, 0, 5), true},
       {"three", Leaking(21, 0, 5), false},
       {"it has grown for 9 s before, with pauses", Leaking(19, 10, 1), true},
       {"one right after the other", Leaking(19, 10, 1, slow_connects), false},
       {"it has grown for less than 5 s before", Leaking(14, 10, 1), false},
       {"the latest 30 s ago", Leaking(60, 30, 2), true},
       {"and more: that it has stopped changes nothing", Leaking(60, 31, 2), true},
       {"in two lumps", Story().At(1).Open({40, 39}, 10).Open({20, 19}, 10).Open({2, 1}, 1), false},
       {"the pool needed half of them at once", Leaking(28, 0, 1, {}, 15), true},
       {"or more", Leaking(28, 0, 1, {}, 16), false},
       {"each by a thread of its own, 16 left behind", Leaking(26, 0, 1, threads), true},
       {"15 left behind", Leaking(25, 0, 1, threads), false},
       {"never used, 10 left behind", Leaking(30, 0, 2, never_used), true},
       {"9 left behind", Leaking(28, 0, 2, never_used), false}});
  EXPECT_THAT(Kinds(Leaking(28, 0, 1, in_transaction, 29)), ElementsAre("leak-suspect"))
      << "each is left in a transaction";
}

TEST(LeakThatGrows, IsNotAPoolForEachTenant) {
  Story story;
  story.At(1);
  for (uint32_t tenant = 0; tenant < 3; ++tenant) {
    for (int i = 0; i < 5; ++i) {
      story.Open({.opened_ago_s = 28 - 10.0 * tenant + 0.1 * i,
                  .used_ago_s = 27 - 10.0 * tenant,
                  .target = tenant});
    }
  }
  EXPECT_THAT(Kinds(story), IsEmpty());
}

TEST(LeakThatGrows, AmongMostThatAreClosed) {
  // 100 connections of 50 ms were closed; every fifth second one is forgotten.
  const auto story = [](double usual_life_s) {
    Story told;
    told.At(2, 100, usual_life_s, 0);
    for (double ago = 30; ago >= 0; ago -= 5) told.Open({ago, ago - 0.05});
    return told;
  };
  Check("leak-suspect", {{"others live for 50 ms", story(0.05), true},
                         {"20 times the usual life is not over", story(3), false}});
}

TEST(LeakThatGrows, ThroughSeveralProcessesIsOneFinding) {
  std::vector<Story> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.push_back(Story().At(1).Open({}));
    for (const double ago : {26.0 - worker, 16.0 - worker, 11.0 - worker, 1.0}) {
      workers.back().Open({ago, ago - 0.1});
    }
  }
  const Told told = Tell(workers);
  ASSERT_THAT(told.kinds, ElementsAre("leak-suspect"));
  EXPECT_EQ(told.findings[0].connections, 8u);
}

TEST(OverProvisioned, HoldsFarMoreThanItEverUsesAtOnce) {
  const auto holds = [](int count, uint64_t peak, double opened_ago = 30, double used_ago = 0) {
    return Story("orders", opened_ago + 1)
        .At(peak)
        .Open({.opened_ago_s = opened_ago, .used_ago_s = used_ago}, 1)
        .Open({.opened_ago_s = opened_ago, .used_ago_s = opened_ago, .commands = 0}, count - 1);
  };
  Check("over-provisioned", {{"40, and 3 in use", holds(40, 3), true},
                             {"16 beyond the peak", holds(19, 3), true},
                             {"15", holds(18, 3), false},
                             {"four times the peak", holds(40, 10), true},
                             {"less", holds(39, 10), false},
                             {"15 s ago", holds(40, 3, 15), true},
                             {"just opened", holds(40, 3, 14), false},
                             {"worked with until 15 s after", holds(40, 3, 200, 185), true},
                             {"not worked with since", holds(40, 3, 200, 186), false}});
  const Told told = Tell({holds(40, 3)});
  EXPECT_EQ(told.answer.verdict, Answer::Verdict::kTooLarge);
  EXPECT_EQ(told.answer.sentence,
            "Too large a limit, no leak: orders holds 40 connections, at most 3 in use at once, "
            "opened at a place that was not recorded");
  EXPECT_THAT(told.findings[0].summary, HasSubstr("since its first connect 31 s ago"));
  EXPECT_THAT(told.findings[0].summary, HasSubstr("39 were never used at all"));
}

TEST(OverProvisioned, IsJudgedByTheService) {
  // Ten in each of eight workers that work with one at a time.
  const std::vector<Story> workers(8, Story().At(1).Open({}).Open({.used_ago_s = 300}, 9));
  const Told told = Tell(workers);
  ASSERT_THAT(told.kinds, ElementsAre("over-provisioned"));
  EXPECT_THAT(told.findings[0].summary, HasSubstr("8 processes of orders hold 80 connections"));
}

TEST(OverProvisioned, CountsForMoreWhereItFilledTheServer) {
  const auto holder = [](double opened_ago, const HistoryPeriod& happened) {
    return Story("batch")
        .At(3)
        .Open({.opened_ago_s = opened_ago}, 1)
        .Open({.opened_ago_s = opened_ago, .used_ago_s = opened_ago}, 7)
        .In(2, 2, happened);
  };
  const Story grown = holder(25, Opens(8, 0, 8));
  const Story as_ever = holder(400, Opens(3, 3, 8));
  EXPECT_THAT(Kinds(grown), IsEmpty());
  const Story victim = Story("login").In(1, 0, Refused(9));
  EXPECT_THAT(Tell({grown, victim}).kinds, ElementsAre("over-provisioned", "server-full"));
  EXPECT_THAT(Tell({as_ever, victim}).kinds, ElementsAre("server-full"));
}

// Five connections that were worked with for `busy_s` of each ten seconds.
Story Pool(double busy_s, uint64_t uses = 100) {
  Story story;
  story.At(5).Open({.busy_since_s = 0.1}, 5);
  story.In(59, 1, Works(uses, 5, busy_s)).In(0, 0, Works(uses / 2, 5, busy_s / 2));
  return story;
}

TEST(Saturated, InUseNearlyAllTheTime) {
  const auto with = [](Story story, const HistoryPeriod& happened) {
    return story.In(1, 1, happened);
  };
  Story stuck;
  stuck.At(5)
      .Open({.busy_since_s = 0.1}, 2)
      .Open({.used_ago_s = 6, .busy_since_s = 8, .transaction = Transaction::kOpen}, 3)
      .In(59, 0, Works(100, 5, 50));
  Story listener = Pool(48);
  listener.At(1).Open({.used_ago_s = 500}, 1);
  Check("saturated",
        {{"96 %", Pool(48), true},
         {"90 %", Pool(44.9), true},
         {"less", Pool(44), false},
         {"long transactions: two uses of each are enough to tell", Pool(50, 4), true},
         {"fewer are none", Pool(50, 3), false},
         {"a worker with one connection",
          Story().At(1).Open({.busy_since_s = 0.1}).In(59, 0, Works(100, 1, 9.9)), false},
         {"the server is what is full", with(Pool(48), Refused(0)), true}});
  EXPECT_THAT(Kinds(stuck), ElementsAre("idle-in-transaction")) << "most are stuck, and none free";
  EXPECT_THAT(Kinds(with(Pool(48), Refused(3))), ElementsAre("server-full"));
  EXPECT_THAT(Kinds(listener), ElementsAre("saturated")) << "beside a listener";
  Story young = Pool(48);
  young.Open({.opened_ago_s = 3, .busy_since_s = 0.1});
  EXPECT_THAT(Kinds(young), IsEmpty()) << "it still opens more";
  const Told told = Tell({Pool(48)});
  EXPECT_EQ(told.answer.verdict, Answer::Verdict::kTooSmall);
  EXPECT_EQ(told.answer.sentence,
            "Too small a limit, no leak: 5 connections of orders, opened at a place that was not "
            "recorded, in use 96 %");
}

CapsPolicy FullCap(uint64_t site, uint64_t at_limit_s, uint64_t waiting = 2) {
  CapsPolicy cap;
  cap.policy.filed.kind = caps::kCap;
  std::snprintf(cap.policy.filed.name, sizeof cap.policy.filed.name, "orders");
  cap.policy.rule.limit = 4;
  cap.policy.counters.use = 4;
  cap.policy.counters.waiting = waiting;
  cap.at_limit_ns = at_limit_s * kSecond;
  cap.quiet_ns = 0;
  CapsHolder holder;
  holder.call_site = site;
  holder.count = 4;
  cap.holders.push_back(holder);
  return cap;
}

TEST(Saturated, ACapWhoseQueueIsNeverEmpty) {
  const Story busy = Story().At(4).Open({.busy_since_s = 0.1}, 4);
  const uint64_t site = busy.snapshot().call_sites[1].id;
  EXPECT_THAT(Tell({busy}, {FullCap(site, 20)}).kinds, ElementsAre("saturated", "cap-hit"));
  EXPECT_THAT(Tell({busy}, {FullCap(site, 19)}).kinds, ElementsAre("cap-hit"));
  EXPECT_THAT(Tell({busy}, {FullCap(site, 20, 0)}).kinds, IsEmpty()) << "nobody waits";
  const Story idle = Story().At(4).Open({.used_ago_s = 60}, 4);
  EXPECT_THAT(Tell({idle}, {FullCap(site, 20)}).kinds, ElementsAre("cap-hit"))
      << "what is held is not in use: no reason to raise the cap";
}

// Usual work of a pool of ten, and what it became two periods and a half ago.
Story Spike(uint64_t uses, double busy_s, uint32_t in_use, uint64_t usual = 100) {
  Story story;
  story.At(in_use).Open({.busy_since_s = 0.1}, 10);
  story.In(59, 3, Works(usual, 2, 2)).In(2, 0, Works(uses, in_use, busy_s));
  return story;
}

TEST(DemandSpike, MoreWorkThanThereAreConnectionsFor) {
  Check("demand-spike",
        {{"five times", Spike(500, 99, 10), true}, {"three times", Spike(300, 99, 10), true}});
  EXPECT_THAT(Kinds(Spike(150, 99, 10)), ElementsAre("demand-spike"))
      << "a pool that is full now shows no more than its size";
  EXPECT_THAT(Kinds(Spike(149, 99, 10)), ElementsAre("saturated")) << "hardly more than usual";
  EXPECT_THAT(Kinds(Spike(500, 99, 10, 0)), ElementsAre("saturated")) << "began to work just now";
  EXPECT_THAT(Kinds(Spike(500, 40, 9)), IsEmpty()) << "served";
  EXPECT_THAT(Kinds(Spike(20, 99, 10, 1)), ElementsAre("demand-spike"));
  EXPECT_THAT(Kinds(Spike(19, 99, 10, 1)), ElementsAre("saturated")) << "next to nothing";
  const Told told = Tell({Spike(500, 99, 10)});
  EXPECT_EQ(told.answer.verdict, Answer::Verdict::kDemand);
  EXPECT_THAT(told.answer.sentence,
              HasSubstr("commands rose from 10.0 to 50.0 a second of orders; all 10 connections "
                        "are taken, in use"));
}

TEST(DemandSpike, OfConnects) {
  const auto connects = [](uint32_t opened, uint32_t closed, uint32_t server_full) {
    Story story;
    story.At(60, 2'000, 0.05, 0).In(59, 3, Opens(3, 3));
    HistoryPeriod now = Opens(opened, closed, 60);
    now.failed = now.server_full = server_full;
    return story.In(2, 0, now);
  };
  EXPECT_THAT(Kinds(connects(300, 300, 20)),
              ElementsAre("demand-spike", "connection-churn", "server-full"));
  EXPECT_THAT(Kinds(connects(300, 300, 0)), ElementsAre("connection-churn")) << "served";
  EXPECT_THAT(Kinds(connects(3, 3, 20)), ElementsAre("server-full"))
      << "what is refused and tried again is no demand";
}

TEST(ConnectionChurn, ConnectsThatAPoolWouldRemove) {
  const auto churn = [](uint32_t a_period, double life_s, uint32_t peak, uint64_t periods) {
    Story story;
    story.At(1, 1'000, life_s, 1);
    story.In(periods, 1, Opens(a_period, a_period, peak));
    return story.In(0, 0, Opens(a_period / 2, a_period / 2, peak));
  };
  Check("connection-churn", {{"one a second", churn(10, 0.01, 1, 20), true},
                             {"less", churn(9, 0.01, 1, 20), false},
                             {"in two whole periods", churn(100, 0.01, 1, 2), true},
                             {"in one: a burst", churn(100, 0.01, 1, 1), false},
                             {"that last for 5 s", churn(20, 5, 10, 20), true},
                             {"for longer", churn(20, 5.001, 10, 20), false},
                             {"most side by side", churn(20, 1, 17, 20), false}});
  const Told told = Tell({churn(80, 0.012, 2, 20)});
  EXPECT_EQ(told.answer.verdict, Answer::Verdict::kChurn);
  EXPECT_EQ(told.findings[0].summary,
            "orders opened 200 connections in the last 25 s, 8.0 a second, opened at a place that "
            "was not recorded, which live for 12 ms as a rule: at most 2 were open at once, and a "
            "pool of 3 would do");
}

TEST(ConnectionChurn, IsTheCauseOfAFullServerOnlyWhereManyAreOpenAtOnce) {
  const auto churn = [](uint32_t open_peak) {
    HistoryPeriod now = Opens(100, 100, open_peak);
    now.server_full = 2;
    return Story().At(open_peak, 1'000, 0.05, 1).In(20, 0, now);
  };
  EXPECT_THAT(Kinds(churn(1)), ElementsAre("server-full", "connection-churn")) << "a victim";
  EXPECT_THAT(Kinds(churn(15)), ElementsAre("server-full", "connection-churn"));
  EXPECT_THAT(Kinds(churn(16)), ElementsAre("connection-churn", "server-full"));
}

TEST(Findings, OfMoreConnectionsComeFirstByTheOrderOfMagnitude) {
  const auto stuck = [](int count) {
    return Story("stuck").At(1).Open({.used_ago_s = 70, .transaction = Transaction::kOpen}, count);
  };
  const Story leak = Leaking(580, 0, 10);  // 57 left behind
  EXPECT_THAT(Tell({stuck(3), leak}).kinds, ElementsAre("leak-suspect", "idle-in-transaction"));
  EXPECT_THAT(Tell({stuck(15), leak}).kinds, ElementsAre("leak-suspect", "idle-in-transaction"));
  EXPECT_THAT(Tell({stuck(16), leak}).kinds, ElementsAre("idle-in-transaction", "leak-suspect"));
}

TEST(ServerFull, NamesWhoHoldsTheSlots) {
  const Story holder = Story("batch", 40).At(90).Open({.opened_ago_s = 35}, 90);
  const Story victim = Story("login").In(3, 0, Refused(10));
  const Told told = Tell({victim, holder});
  ASSERT_THAT(told.kinds, ElementsAre("server-full"));
  EXPECT_EQ(told.findings[0].confidence, Confidence::kProven);
  EXPECT_EQ(told.findings[0].summary,
            "the server had no slot left for 40 connects of login in the last 55 s; what is "
            "watched holds 90 connections: 90 by batch, whose first connect was 40 s ago, opened "
            "at a place that was not recorded");
  EXPECT_EQ(told.answer.verdict, Answer::Verdict::kServer);
  EXPECT_THAT(Kinds(Story().In(7, 6, Refused(10))), IsEmpty()) << "over for a minute";
}

// Filled within seconds: nothing grows any more, so that no leak is found for minutes; nor may it
// be said that there is none.
TEST(ServerFull, DoesNotRuleOutALeakThatFilledIt) {
  const auto sentence = [](double opened_ago, double used_ago) {
    const Story holder =
        Story("jobs", 40)
            .At(1)
            .Open({.opened_ago_s = opened_ago, .used_ago_s = used_ago, .commands = 1}, 20);
    const Told told = Tell({Story(holder).In(3, 0, Refused(10))});
    EXPECT_EQ(told.answer.verdict, Answer::Verdict::kServer);
    return told.answer.sentence;
  };
  EXPECT_THAT(sentence(35, 30),
              HasSubstr("Too early to tell a leak from too large a limit, 20 of 20 connections "
                        "unused for 10 s: the server had no slot left"));
  EXPECT_THAT(sentence(11, 9.9), HasSubstr("No leak is seen: the server had no slot left"));
}

TEST(IdleInTransaction, OfAllThatThereAreIsNotWaitedFor) {
  const auto stuck = [](int count, double used_ago) {
    return Story().At(5).Open(
        {.used_ago_s = used_ago, .busy_since_s = used_ago, .transaction = Transaction::kOpen},
        count);
  };
  Check("idle-in-transaction", {{"all three", stuck(3, 5), true},
                                {"not for 5 s", stuck(3, 4.9), false},
                                {"two may be at work", stuck(2, 10), false}});
  Story one_works = stuck(4, 20);
  one_works.Open({});
  EXPECT_THAT(Kinds(one_works), IsEmpty());
  EXPECT_EQ(Tell({stuck(5, 12)}).answer.verdict, Answer::Verdict::kLeak);
}

// The five outages, each beside a bystander with faults of its own.
TEST(Outages, TheCauseComesFirst) {
  const Story login = Story("login").At(4).Open({.used_ago_s = 1}, 4).In(1, 0, Refused(9));
  Story untidy("untidy");
  untidy.At(2).Open({.used_ago_s = 90, .busy_since_s = 95, .transaction = Transaction::kOpen});
  const Story update = Story("reports").At(3).Open({}, 2).Open({.used_ago_s = 500}, 78);
  Story leak = Leaking(580, 0, 10);
  const Story deploy = Story("orders", 45)
                           .At(6)
                           .Open({.opened_ago_s = 40}, 6)
                           .Open({.opened_ago_s = 40, .used_ago_s = 40, .commands = 1}, 74);
  struct Outage {
    const char* what;
    std::vector<Story> stories;
    const char* first;
    Answer::Verdict verdict;
  };
  for (const Outage& outage : {
           Outage{"an update made a component hold too many",
                  {login, untidy, update},
                  "over-provisioned",
                  Answer::Verdict::kTooLarge},
           Outage{
               "a limit was too low", {untidy, Pool(48)}, "saturated", Answer::Verdict::kTooSmall},
           Outage{"a spike exhausted a pool",
                  {untidy, Spike(500, 99, 10)},
                  "demand-spike",
                  Answer::Verdict::kDemand},
           Outage{"a pool leaks", {login, untidy, leak}, "leak-suspect", Answer::Verdict::kLeak},
           Outage{"a deploy shipped a wrong maximum",
                  {login, untidy, deploy},
                  "over-provisioned",
                  Answer::Verdict::kTooLarge},
       }) {
    const Told told = Tell(outage.stories);
    ASSERT_FALSE(told.kinds.empty()) << outage.what;
    EXPECT_EQ(told.kinds[0], outage.first) << outage.what;
    EXPECT_EQ(told.answer.verdict, outage.verdict) << outage.what << ": " << told.answer.sentence;
  }
}

TEST(Healthy, ServicesHaveNone) {
  // Used by day; it is night.
  Story night("night", 40'000);
  night.At(12).Open({.opened_ago_s = 39'000, .used_ago_s = 7'200}, 15);
  Story listener("listener", 20'000);
  listener.At(1).Open({.opened_ago_s = 20'000, .used_ago_s = 19'999, .commands = 1});
  // Thirty at once for half a minute, ten minutes ago and just now.
  Story burst("burst", 1'000);
  burst.At(30, 60, 20, 30)
      .Open({.opened_ago_s = 900, .used_ago_s = 4}, 5)
      .Open({.opened_ago_s = 28, .used_ago_s = 3}, 25)
      .In(60, 58, Works(900, 30, 90))
      .In(57, 3, Works(10, 2, 1))
      .In(2, 0, Works(900, 30, 90));
  Story analysis("analysis");
  analysis.At(4).Open(
      {.used_ago_s = 500, .commands = 3, .busy_since_s = 500, .transaction = Transaction::kActive},
      4);
  std::vector<Story> all = {night, listener, burst, analysis};
  for (int worker = 0; worker < 16; ++worker) {
    const double opened_ago = 25 - worker;
    all.push_back(
        Story("prefork", opened_ago + 1)
            .At(1)
            .Open({.opened_ago_s = opened_ago, .used_ago_s = opened_ago, .commands = 1}, 4)
            .In(2, 2, Opens(4, 0, 4)));
  }
  for (const Story& story : all)
    EXPECT_THAT(Kinds(story), IsEmpty()) << story.snapshot().process.service;
  EXPECT_THAT(Tell(all).kinds, IsEmpty());
  EXPECT_EQ(Tell(all).answer.verdict, Answer::Verdict::kEarly) << "the workers are young";
  const Told told = Tell({night, listener, analysis});
  EXPECT_EQ(told.answer.verdict, Answer::Verdict::kNone);
  EXPECT_THAT(
      told.answer.sentence,
      HasSubstr("No leak, and no limit that is too small: 20 connections are open, 4 in use now"));
  EXPECT_EQ(Tell({}).answer.verdict, Answer::Verdict::kUnobserved);
}

TEST(Healthy, NoiseIsNoFinding) {
  std::mt19937 random(4711);
  const auto up_to = [&](uint32_t most) { return static_cast<uint32_t>(random() % (most + 1)); };
  for (int round = 0; round < 200; ++round) {
    // A pool of ten that is half in use, replaces a connection now and then, and fails rarely.
    Story story("noisy", 1'300);
    story.At(10, 40, 900, 5);
    for (int i = 0; i < 10; ++i) {
      story.Open({.opened_ago_s = 5.0 + up_to(1'200),
                  .used_ago_s = up_to(9) / 2.0,
                  .tid = static_cast<int32_t>(up_to(3)),
                  .busy_since_s = up_to(1) * 0.02});
    }
    for (uint64_t ago = 120; ago > 0; --ago) {
      HistoryPeriod happened = Works(50 + up_to(80), 3 + up_to(7), 10 + up_to(50));
      happened.opened = happened.closed = up_to(2);
      happened.failed = up_to(20) == 0;
      story.In(ago, ago, happened);
    }
    EXPECT_THAT(Kinds(story), IsEmpty()) << "round " << round;
  }
}

}  // namespace
}  // namespace pqleash::reporter
