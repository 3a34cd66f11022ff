// SPDX-License-Identifier: Apache-2.0

#include "reporter/audit/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kNow = 100'000 * kSecond;

// A connection of the one call site that every process has.
struct Conn {
  ConnectionState state = ConnectionState::kEstablished;
  Transaction transaction = Transaction::kIdle;
  std::string dbname = "shop";
  Language closed_by = Language::kUnknown;
};

Snapshot Make(Life life, const std::vector<Conn>& connections) {
  Snapshot snapshot;
  snapshot.process.life = life;
  snapshot.process.ledger = "1.ledger";
  snapshot.process.service = "shop";
  snapshot.process.visible_pid = life == Life::kLive ? 4711 : 0;
  snapshot.as_of_ns = kNow;
  snapshot.targets.resize(1);
  snapshot.call_sites.resize(2);
  snapshot.call_sites[1].id = 0xabc;
  for (const Conn& conn : connections) {
    Connection connection;
    connection.call_site = 1;
    connection.state = conn.state;
    connection.transaction = conn.transaction;
    connection.closed_by = conn.closed_by;
    connection.handle = 0x1000 + snapshot.connections.size();
    connection.opened_ns = kNow - kSecond;
    connection.last_activity_ns = kNow - kSecond;
    connection.target = static_cast<uint32_t>(snapshot.targets.size());
    Target target;
    target.dbname = conn.dbname;
    snapshot.targets.push_back(target);
    ++snapshot.call_sites[1].opened;
    ++snapshot.call_sites[1].open;
    snapshot.connections.push_back(connection);
  }
  return snapshot;
}

Judgement DefaultJudgement() {
  Judgement judgement;
  judgement.kinds.assign(DefaultAuditKinds().begin(), DefaultAuditKinds().end());
  return judgement;
}

AuditReport JudgeAll(const std::vector<Snapshot>& snapshots,
                     const Judgement& judgement = DefaultJudgement(),
                     const std::vector<Reachability>& reachability = {}) {
  std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  for (CallSiteGroup& group : groups) {
    SourceFrame frame;
    frame.function = "OpenAuditLog";
    frame.file = "/srv/shop.cc";
    group.frames = {frame};
  }
  AuditReport audit;
  Judge({snapshots, groups, Thresholds{}, {}, reachability}, judgement, &audit);
  return audit;
}

// 'kind connections standing' of each.
std::vector<std::string> Findings(const AuditReport& audit) {
  std::vector<std::string> found;
  for (const AuditFinding& finding : audit.findings) {
    const char* standing[] = {"fails", "noted", "known", "suppressed"};
    found.push_back(std::string(finding.finding.kind) + " " +
                    std::to_string(finding.finding.connections) + " " +
                    standing[static_cast<int>(finding.standing)]);
  }
  return found;
}

TEST(JudgeTest, OpenAtExitWhateverItsAge) {
  EXPECT_THAT(Findings(JudgeAll({Make(Life::kEnded, {{}, {}})})),
              ElementsAre("leak-suspect 2 fails"));
  EXPECT_THAT(Findings(JudgeAll({Make(Life::kEnded, {})})), IsEmpty());
}

TEST(JudgeTest, StatesThatAreLeftOpen) {
  const auto judged = [](ConnectionState state) {
    return Findings(JudgeAll({Make(Life::kEnded, {{.state = state}})}));
  };
  for (const ConnectionState state :
       {ConnectionState::kEstablished, ConnectionState::kResetting, ConnectionState::kBroken,
        ConnectionState::kConnecting, ConnectionState::kWaiting, ConnectionState::kLeftOpen})
    EXPECT_THAT(judged(state), ElementsAre("leak-suspect 1 fails")) << static_cast<int>(state);
  for (const ConnectionState state : {ConnectionState::kFailed, ConnectionState::kRefused})
    EXPECT_THAT(judged(state), ElementsAre("unfinished-failed-connect 1 fails"));
  EXPECT_THAT(judged(ConnectionState::kInherited), IsEmpty());
}

TEST(JudgeTest, WhatAnInterpreterClosedWasLeftOpenAndSaysBy) {
  const Conn by_python = {.state = ConnectionState::kLeftOpen, .closed_by = Language::kPython};
  const Conn by_perl = {.state = ConnectionState::kLeftOpen,
                        .transaction = Transaction::kOpen,
                        .closed_by = Language::kPerl};
  Snapshot one = Make(Life::kEnded, {by_python, by_python});
  one.call_sites[1].open = 0;
  one.call_sites[1].closed = 2;
  const AuditReport audit = JudgeAll({one});
  EXPECT_THAT(Findings(audit), ElementsAre("leak-suspect 2 fails"));
  const Finding& finding = audit.findings[0].finding;
  EXPECT_THAT(finding.summary, HasSubstr("; Python closed them in its own shutdown"));
  EXPECT_THAT(finding.advice, HasSubstr("atexit"));
  EXPECT_EQ(finding.evidence[2].name, "closed");
  EXPECT_EQ(finding.evidence[2].number, 0) << "by the program";

  const AuditReport in_transaction = JudgeAll({Make(Life::kEnded, {by_perl})});
  EXPECT_THAT(Findings(in_transaction), ElementsAre("idle-in-transaction 1 fails"));
  EXPECT_THAT(in_transaction.findings[0].finding.summary, HasSubstr("Perl closed it"));

  const AuditReport mixed = JudgeAll({Make(Life::kEnded, {by_python, {}})});
  EXPECT_THAT(Findings(mixed), ElementsAre("leak-suspect 2 fails"));
  EXPECT_THAT(mixed.findings[0].finding.summary, HasSubstr("; Python closed 1 of them"));
}

// After its interpreter has ended, a process may die in any way.
TEST(JudgeTest, WhatAnInterpreterClosedIsJudgedHoweverTheProcessEnded) {
  for (const Life life : {Life::kKilled, Life::kReplaced}) {
    EXPECT_THAT(Findings(JudgeAll({Make(life, {{.state = ConnectionState::kLeftOpen}})})),
                ElementsAre("leak-suspect 1 fails"));
  }
}

TEST(JudgeTest, TheEndOfARequestIsNotedAndNotJudged) {
  Snapshot snapshot = Make(Life::kEnded, {});
  snapshot.totals.closed_with_request = 3;
  const AuditReport audit = JudgeAll({snapshot});
  EXPECT_THAT(Findings(audit), IsEmpty());
  EXPECT_THAT(audit.notes,
              ElementsAre(HasSubstr("3 connections were closed by PHP at the end of")));
}

TEST(JudgeTest, MoreThanALedgerKeepsIsNoted) {
  Snapshot snapshot = Make(Life::kEnded, {{.state = ConnectionState::kLeftOpen}});
  snapshot.totals.left_open = 5;
  EXPECT_THAT(JudgeAll({snapshot}).notes, ElementsAre(HasSubstr("left 4 connections more")));
  snapshot.totals.left_open = 1;
  EXPECT_THAT(JudgeAll({snapshot}).notes, IsEmpty());
}

TEST(JudgeTest, EachConnectionIsInOneFinding) {
  Reachability reachability;
  reachability.connections = {{Reach::kLostProven, "", ""}, {Reach::kHeld, "a global", ""}};
  const AuditReport audit = JudgeAll(
      {Make(Life::kEnded,
            {{.transaction = Transaction::kOpen}, {}, {}, {.transaction = Transaction::kFailed}})},
      DefaultJudgement(), {reachability});
  EXPECT_THAT(Findings(audit), ElementsAre("lost-handle 3 fails", "idle-in-transaction 1 fails"));
  EXPECT_THAT(audit.findings[0].finding.summary,
              HasSubstr("2 more of this place are suspected to leak"));
}

TEST(JudgeTest, WhatIsStillReachableSaysWhere) {
  Reachability reachability;
  reachability.connections = {{Reach::kHeld, "a global", ""}};
  const AuditReport audit =
      JudgeAll({Make(Life::kEnded, {{}})}, DefaultJudgement(), {reachability});
  EXPECT_THAT(Findings(audit), ElementsAre("leak-suspect 1 fails"));
  EXPECT_THAT(audit.findings[0].finding.summary, HasSubstr("a reference was left in a global"));
}

TEST(JudgeTest, OfSeveralProcessesOnce) {
  const AuditReport audit =
      JudgeAll({Make(Life::kEnded, {{}, {}}), Make(Life::kEnded, {{}}), Make(Life::kEnded, {})});
  EXPECT_THAT(Findings(audit), ElementsAre("leak-suspect 3 fails"));
  EXPECT_EQ(audit.findings[0].finding.evidence.back().number, 2);
}

// A Go program never comes to exit(), and what it kept idle it would have kept for ever.
TEST(JudgeTest, WhoWasKilledIsJudgedByWhatWasIdle) {
  for (const Life life : {Life::kKilled, Life::kReplaced}) {
    const AuditReport audit =
        JudgeAll({Make(life, {{}, {.transaction = Transaction::kActive}, {}})});
    EXPECT_THAT(Findings(audit), ElementsAre("leak-suspect 2 fails"));
    EXPECT_THAT(audit.findings[0].finding.summary, HasSubstr("ended without exit()"));
    EXPECT_THAT(audit.notes, ElementsAre(HasSubstr("had no chance to close it")));
  }
}

TEST(JudgeTest, WhatWasInUseByWhoWasKilledIsNotedOnly) {
  for (const Life life : {Life::kKilled, Life::kReplaced}) {
    const AuditReport audit = JudgeAll({Make(life, {{.transaction = Transaction::kActive}})});
    EXPECT_THAT(Findings(audit), IsEmpty());
    EXPECT_THAT(audit.notes, ElementsAre(HasSubstr("had no chance to close it")));
    Judgement judgement = DefaultJudgement();
    judgement.at_exit.judge_killed = true;
    const AuditReport judged =
        JudgeAll({Make(life, {{.transaction = Transaction::kActive}})}, judgement);
    EXPECT_THAT(Findings(judged), ElementsAre("leak-suspect 1 fails"));
    EXPECT_THAT(judged.notes, IsEmpty());
  }
}

TEST(JudgeTest, TheLivingAreJudgedByThresholds) {
  const AuditReport audit =
      JudgeAll({Make(Life::kLive, {{}, {.transaction = Transaction::kOpen}})});
  EXPECT_THAT(Findings(audit), IsEmpty());
  EXPECT_THAT(audit.notes, ElementsAre(HasSubstr("process 4711 (shop) is still running")));
}

TEST(JudgeTest, OnlyTheKindsThatAreAskedFor) {
  Judgement judgement = DefaultJudgement();
  judgement.kinds = {"fork-shared"};
  EXPECT_THAT(Findings(JudgeAll({Make(Life::kEnded, {{}})}, judgement)), IsEmpty());
  const auto kinds = AuditKinds();
  for (const std::string_view kind : DefaultAuditKinds())
    EXPECT_THAT(kinds, ::testing::Contains(kind));
  // No kind that was meant for services comes in by the back door.
  judgement.kinds.assign(kinds.begin(), kinds.end());
  EXPECT_THAT(
      Findings(JudgeAll({Make(Life::kEnded, {{.state = ConnectionState::kBroken}})}, judgement)),
      ElementsAre("leak-suspect 1 fails"));
}

TEST(JudgeTest, ProvenAloneFailsWhereAsked) {
  Judgement judgement = DefaultJudgement();
  judgement.fail_on = {Confidence::kProven, Severity::kInfo};
  EXPECT_THAT(Findings(JudgeAll({Make(Life::kEnded, {{}, {.state = ConnectionState::kFailed}})},
                                judgement)),
              ElementsAre("unfinished-failed-connect 1 fails", "leak-suspect 1 noted"));
}

TEST(JudgeTest, SuppressionOverStack) {
  Judgement judgement = DefaultJudgement();
  judgement.suppressions = {{Suppression::Over::kStack, "never", "leak:never", "x:1"},
                            {Suppression::Over::kStack, "Audit*", "leak:Audit*", "x:2"}};
  const AuditReport audit = JudgeAll({Make(Life::kEnded, {{}, {}})}, judgement);
  EXPECT_THAT(Findings(audit), ElementsAre("leak-suspect 2 suppressed"));
  EXPECT_EQ(audit.suppressions[0].findings, 0u);
  EXPECT_EQ(audit.suppressions[1].findings, 1u);
  EXPECT_EQ(audit.suppressions[1].connections, 2u);
}

TEST(JudgeTest, SuppressionOverDbnameTakesOutItsConnectionsAlone) {
  Judgement judgement = DefaultJudgement();
  judgement.suppressions = {{Suppression::Over::kDbname, "^meta$", "dbname:^meta$", "x:1"}};
  const AuditReport audit = JudgeAll(
      {Make(Life::kEnded, {{}, {.dbname = "meta"}, {.dbname = "meta"}, {.dbname = "metadata"}})},
      judgement);
  EXPECT_THAT(Findings(audit), ElementsAre("leak-suspect 2 fails", "leak-suspect 2 suppressed"));
  EXPECT_EQ(audit.suppressions[0].connections, 2u);
}

TEST(JudgeTest, BaselineComesAfterSuppressions) {
  Judgement judgement = DefaultJudgement();
  BaselineEntry entry;
  entry.kind = "leak-suspect";
  entry.call_site = "0000000000000abc";
  judgement.baseline = Baseline{"b.json", {entry}};
  EXPECT_THAT(Findings(JudgeAll({Make(Life::kEnded, {{}})}, judgement)),
              ElementsAre("leak-suspect 1 known"));
  judgement.suppressions = {{Suppression::Over::kStack, "Audit", "leak:Audit", "x:1"}};
  const AuditReport audit = JudgeAll({Make(Life::kEnded, {{}})}, judgement);
  EXPECT_THAT(Findings(audit), ElementsAre("leak-suspect 1 suppressed"));
  EXPECT_FALSE(audit.baseline->entries[0].seen);
}

}  // namespace
}  // namespace pqleash::reporter
