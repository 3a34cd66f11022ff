// SPDX-License-Identifier: Apache-2.0
//
// How findings say which line opened a connection, and how short a headline is.

#include <gtest/gtest.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "reporter/call_sites/told_apart.h"
#include "reporter/findings/answer.h"
#include "reporter/findings/detector.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kNow = 100'000 * kSecond;
constexpr const char kPool[] = "/usr/lib/python3/dist-packages/psycopg_pool/pool.py";
constexpr const char kThreading[] = "/usr/lib/python3.11/threading.py";

SourceFrame Frame(const std::string& function, const std::string& file, uint32_t line) {
  SourceFrame frame;
  frame.language = Language::kPython;
  frame.function = function;
  frame.file = file;
  frame.line = line;
  return frame;
}

size_t Words(const std::string& text) {
  std::istringstream words(text);
  size_t count = 0;
  for (std::string word; words >> word;) ++count;
  return count;
}

// A process that leaks: for each of `stacks` as many connections, each opened beside the ones
// before it and left.
class Leak {
 public:
  Leak(const std::vector<std::vector<SourceFrame>>& stacks, uint64_t of_each) {
    Snapshot snapshot;
    snapshot.process.life = Life::kLive;
    snapshot.process.service = "shop";
    snapshot.process.created_monotonic_ns = kNow - 1'000 * kSecond;
    snapshot.as_of_ns = kNow;
    Target target;
    target.host = "db1";
    target.port = 5432;
    target.user = "app";
    target.dbname = "orders";
    snapshot.targets = {Target{}, target};
    snapshot.call_sites.resize(1);
    uint64_t ago = 40;
    for (size_t i = 0; i < stacks.size(); ++i) {
      CallSite site;
      site.id = i + 1;
      site.in_use_peak = 1;
      site.opened = site.open = of_each;
      snapshot.call_sites.push_back(site);
      for (uint64_t k = 0; k < of_each; ++k, ago += 6) {
        Connection connection;
        connection.call_site = static_cast<uint32_t>(i + 1);
        connection.target = 1;
        connection.transaction = Transaction::kIdle;
        connection.commands = 1;
        connection.use_counts[0] = 1;
        connection.opened_ns = kNow - ago * kSecond;
        connection.established_ns = connection.opened_ns + kMillisecond;
        connection.last_activity_ns = connection.opened_ns + kSecond;
        snapshot.connections.push_back(connection);
        ++snapshot.totals.open;
        ++snapshot.totals.opened;
        HistoryPeriod period;
        period.period = connection.opened_ns / kHistoryPeriodNs;
        period.opened = 1;
        snapshot.history.insert(snapshot.history.begin(), period);
      }
    }
    snapshot.totals.in_use_peak = 1;
    snapshots_ = {snapshot};
    groups_ = GroupCallSites(snapshots_);
    for (CallSiteGroup& group : groups_) {
      if (group.id != 0) group.frames = stacks[group.id - 1];
    }
    TellApart({}, &groups_);
  }

  std::vector<CallSiteGroup>& groups() { return groups_; }
  Observation observation() const { return {snapshots_, groups_, {}}; }
  std::string OpenedBy() const {
    std::vector<const CallSiteGroup*> groups;
    for (const CallSiteGroup& group : groups_) groups.push_back(&group);
    return reporter::OpenedBy(observation(), groups);
  }
  std::vector<Finding> findings() const { return FindAll(observation()); }

 private:
  std::vector<Snapshot> snapshots_;
  std::vector<CallSiteGroup> groups_;
};

TEST(OpenedByTest, APoolsOwnThreadIsNamedWithItsTarget) {
  const Leak leak(
      {{Frame("Connection.connect", "/usr/lib/python3/dist-packages/psycopg/connection.py", 723),
        Frame("ConnectionPool.worker", kPool, 466), Frame("run", kThreading, 975)}},
      4);
  EXPECT_EQ(leak.OpenedBy(), std::string("opened for app@db1:5432/orders by psycopg_pool's thread "
                                         "ConnectionPool.worker (") +
                                 kPool + ":466)");
}

TEST(OpenedByTest, APoolsTaskIsNamedWithWhoRunsTheLoop) {
  const Leak leak({{Frame("AsyncConnectionPool.worker", kPool, 390),
                    Frame("Handle._run", "/usr/lib/python3.11/asyncio/events.py", 80),
                    Frame("<module>", "/srv/shop/app.py", 19)}},
                  4);
  EXPECT_EQ(leak.OpenedBy(), std::string("opened for app@db1:5432/orders by psycopg_pool's task "
                                         "AsyncConnectionPool.worker (") +
                                 kPool + ":390), called by <module> (/srv/shop/app.py:19)");
}

TEST(OpenedByTest, AStackThatWasCutSaysSo) {
  const auto driver = {
      Frame("connect", "/usr/lib/python3/dist-packages/psycopg2/__init__.py", 122)};
  Leak leak({driver}, 4);
  const std::string place =
      "opened by connect (/usr/lib/python3/dist-packages/psycopg2/__init__.py:122)";
  EXPECT_EQ(leak.OpenedBy(), place);
  leak.groups().front().stack_truncated = true;
  EXPECT_EQ(leak.OpenedBy(), place + ", whose callers were not recorded");
}

TEST(OpenedByTest, OneLineThatManyCallIsNamedOnce) {
  const SourceFrame open = Frame("connect", "/srv/shop/db.py", 7);
  std::vector<std::vector<SourceFrame>> stacks;
  for (uint32_t line = 1; line <= 8; ++line)
    stacks.push_back({open, Frame("handle", "/srv/shop/app.py", line)});
  EXPECT_EQ(Leak(stacks, 1).OpenedBy(),
            "opened by connect (/srv/shop/db.py:7), called from 8 places");
  stacks.push_back({Frame("audit", "/srv/shop/audit.py", 3)});
  EXPECT_EQ(Leak(stacks, 1).OpenedBy(),
            "opened by connect (/srv/shop/db.py:7), called from 8 places, and 1 other place");
  // The neighbour: lines of their own.
  EXPECT_EQ(
      Leak({{Frame("audit", "/srv/shop/audit.py", 3)}, {Frame("order", "/srv/shop/a.py", 4)}}, 1)
          .OpenedBy(),
      "opened by audit (/srv/shop/audit.py:3) and 1 other place");
}

TEST(HeadlineTest, ALeakOfOneHelperIsOneFindingOfFewWords) {
  std::vector<std::vector<SourceFrame>> stacks;
  for (uint32_t line = 1; line <= 20; ++line) {
    stacks.push_back(
        {Frame("connect", "/srv/shop/db.py", 7), Frame("handle", "/srv/shop/app.py", line)});
  }
  const std::vector<Finding> findings = Leak(stacks, 1).findings();
  ASSERT_EQ(findings.size(), 1u);
  ASSERT_TRUE(findings[0].answer.has_value());
  const std::string& sentence = findings[0].answer->sentence;
  EXPECT_NE(sentence.find("connect (/srv/shop/db.py:7), called from "), std::string::npos)
      << sentence;
  EXPECT_LE(Words(sentence), kMaxWords) << sentence;
}

TEST(HeadlineTest, TheLineOfALeakIsWithinTheFirstWords) {
  const std::vector<SourceFrame> worker = {Frame("ConnectionPool.worker", kPool, 466),
                                           Frame("run", kThreading, 975)};
  const std::vector<Finding> findings = Leak({worker}, 12).findings();
  ASSERT_FALSE(findings.empty());
  const std::string& sentence = findings[0].answer->sentence;
  EXPECT_LE(Words(sentence), kMaxWords) << sentence;
  EXPECT_NE(sentence.find("ConnectionPool.worker"), std::string::npos) << sentence;
}

std::string Numbered(size_t first, size_t last) {
  std::string text;
  for (size_t i = first; i <= last; ++i) text += (i == first ? "w" : " w") + std::to_string(i);
  return text;
}

TEST(InFewWordsTest, Table) {
  struct Case {
    std::string sentence;
    std::string few;
  };
  const Case cases[] = {
      {Numbered(1, 30), Numbered(1, 30)},
      {Numbered(1, 31), Numbered(1, 30) + "..."},
      {Numbered(1, 20) + ", " + Numbered(21, 31), Numbered(1, 20)},
      {Numbered(1, 20) + ": " + Numbered(21, 25) + "; " + Numbered(26, 31),
       Numbered(1, 20) + ": " + Numbered(21, 25)},
      // Commas of a function's parameters, and of what a server said.
      {Numbered(1, 12) + ", f(int, " + Numbered(14, 31) + ")", Numbered(1, 12)},
      {Numbered(1, 12) + ", \"no, " + Numbered(14, 31) + "\"", Numbered(1, 12)},
      // A first clause that says next to nothing is no answer.
      {"Leak, " + Numbered(2, 31), "Leak, " + Numbered(2, 30) + "..."},
      {"", ""},
  };
  for (const Case& test : cases) EXPECT_EQ(InFewWords(test.sentence), test.few);
}

}  // namespace
}  // namespace pqleash::reporter
