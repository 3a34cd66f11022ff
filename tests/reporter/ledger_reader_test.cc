// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/ledger_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "reporter/snapshot/connection_times.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LedgerReaderTest : public ::testing::Test {
 protected:
  LedgerResult Read(const std::string& bytes) {
    WriteFile(path_, bytes);
    return ReadLedger(AT_FDCWD, path_, path_);
  }
  Snapshot ReadGood(const LedgerBuilder& builder) {
    LedgerResult result = Read(builder.Bytes());
    if (const auto* error = std::get_if<LedgerError>(&result)) {
      ADD_FAILURE() << error->sentence;
      return {};
    }
    return std::get<Snapshot>(std::move(result));
  }

  ScratchDirectory directory_;
  std::string path_ = directory_.Path("4711-5000.ledger");
};

TEST_F(LedgerReaderTest, ReadsWhoWroteIt) {
  LedgerBuilder builder;
  builder.header.run_id = 77;
  const Snapshot snapshot = ReadGood(builder);
  const Process& process = snapshot.process;
  EXPECT_EQ(process.ledger, path_);
  EXPECT_EQ(process.pid, 4711);
  EXPECT_EQ(process.parent_pid, 1);
  EXPECT_EQ(process.uid, 1000u);
  EXPECT_EQ(process.pid_namespace, 4026531836u);
  EXPECT_EQ(process.start_ticks, 5000u);
  EXPECT_EQ(process.run_id, 77u);
  EXPECT_EQ(process.service, "orders");
  EXPECT_EQ(process.host_name, "db-client-7");
  EXPECT_EQ(process.library_version, "0.1.0");
  EXPECT_EQ(process.exe, "/opt/orders/bin/orders");
  EXPECT_EQ(process.boot_id, "0f1e2d3c-0000-4000-8000-000000000001");
  EXPECT_EQ(process.unwinder, Unwinder::kCfi);
  EXPECT_EQ(process.phase, ProcessPhase::kRunning);
  ASSERT_EQ(snapshot.libpq_copies.size(), 1u);
  EXPECT_EQ(snapshot.libpq_copies[0].path, "/usr/lib/x86_64-linux-gnu/libpq.so.5.15");
  EXPECT_EQ(snapshot.libpq_copies[0].version, 150018u);
  EXPECT_THAT(snapshot.warnings, IsEmpty());
}

TEST_F(LedgerReaderTest, ReadsConnectionsCallSitesAndFrames) {
  const Snapshot snapshot = ReadGood(ExampleLedger());
  EXPECT_THAT(snapshot.warnings, IsEmpty());
  ASSERT_EQ(snapshot.connections.size(), 11u);
  const Connection& first = snapshot.connections[0];
  EXPECT_EQ(first.state, ConnectionState::kEstablished);
  EXPECT_EQ(first.handle, 0x55d0c1a2b000u);
  EXPECT_EQ(first.thread_name, "worker");
  EXPECT_EQ(first.backend_pid, 9000);
  EXPECT_EQ(first.commands, 3u);
  EXPECT_EQ(first.libpq, 0u);
  const Target& target = snapshot.targets[first.target];
  EXPECT_EQ(target.host, "10.0.0.3");
  EXPECT_EQ(target.port, 5432u);
  EXPECT_EQ(target.user, "app");
  EXPECT_EQ(target.dbname, "shop");
  EXPECT_EQ(target.application_name, "orders-web");
  EXPECT_EQ(snapshot.connections[7].transaction, Transaction::kOpen);
  EXPECT_EQ(snapshot.connections[8].in_call, "PQexec");
  EXPECT_EQ(snapshot.connections[10].state, ConnectionState::kFailed);

  const CallSite& leak = snapshot.call_sites[first.call_site];
  EXPECT_EQ(leak.id, 0x1111u);
  EXPECT_EQ(leak.open, 7u);
  ASSERT_EQ(leak.frame_count, 3u);
  const Frame& frame = snapshot.frames[leak.first_frame];
  EXPECT_EQ(frame.kind, Frame::Kind::kModule);
  EXPECT_EQ(frame.value, 0x1234u);
  EXPECT_EQ(snapshot.modules[frame.index].path, "/usr/lib/x86_64-linux-gnu/libdriver.so.1");
  EXPECT_EQ(snapshot.modules[frame.index].build_id, "\x04\x05");
  const Frame& script = snapshot.frames[snapshot.call_sites[2].first_frame];
  EXPECT_EQ(script.kind, Frame::Kind::kScript);
  EXPECT_EQ(snapshot.script_frames[script.index].function, "handle_order");
  EXPECT_EQ(snapshot.script_frames[script.index].language, Language::kPython);
  EXPECT_EQ(snapshot.frames[snapshot.call_sites[3].first_frame].kind, Frame::Kind::kAddress);
  EXPECT_EQ(snapshot.totals.open, 10u);
  EXPECT_EQ(snapshot.totals.failed, 1u);
}

TEST_F(LedgerReaderTest, ReadsWhatWasInUse) {
  LedgerBuilder builder = ExampleLedger();
  builder.header.server_full = 4;
  builder.header.use_time.sum_ns = kTestSecond;
  builder.header.use_time.buckets[12] = 5;
  builder.connections[7].waited_ns = 3 * kTestSecond;
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_THAT(snapshot.warnings, IsEmpty());
  EXPECT_EQ(snapshot.totals.in_use, 2u);
  EXPECT_EQ(snapshot.totals.in_use_peak, 3u);
  EXPECT_EQ(snapshot.totals.server_full, 4u);
  EXPECT_EQ(snapshot.connections[7].busy_since_ns, kTestStart + 1'985 * kTestSecond);
  EXPECT_EQ(snapshot.connections[7].waited_ns, 3 * kTestSecond);
  EXPECT_EQ(snapshot.connections[8].busy_ns, 800 * kTestSecond);
  EXPECT_EQ(snapshot.connections[8].use_counts[7], 10u);
  EXPECT_EQ(snapshot.call_sites[1].in_use_peak, 1u);
  EXPECT_EQ(snapshot.call_sites[1].opened_beside_idle, 6u);
  EXPECT_EQ(snapshot.call_sites[2].in_use, 2u);
  EXPECT_EQ(snapshot.call_sites[2].busy_ns, 1'000 * kTestSecond);
  EXPECT_EQ(snapshot.times.create.buckets[11], 10u);
  // Those of connections that have ended, and of those that are open.
  EXPECT_EQ(snapshot.times.use.sum_ns, 801 * kTestSecond);
  EXPECT_EQ(snapshot.times.use.buckets[12], 5u + 7u * 3u + 690u);
  EXPECT_EQ(snapshot.times.use.buckets[31], 10u);
}

std::vector<uint64_t> PeriodsOf(const Snapshot& snapshot) {
  std::vector<uint64_t> periods;
  for (const HistoryPeriod& period : snapshot.history) periods.push_back(period.period);
  return periods;
}

TEST_F(LedgerReaderTest, ReadsTheHistoryInOrderOfTime) {
  LedgerBuilder builder;
  builder.AddPeriod(60).opened = 3;
  ledger::HistoryPeriod& first = builder.AddPeriod(20);
  first.busy_ns = 7;
  first.uses = 9;
  builder.AddPeriod(40).server_full = 2;
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_THAT(snapshot.warnings, IsEmpty());
  EXPECT_THAT(PeriodsOf(snapshot), ElementsAre(102, 104, 106));
  EXPECT_EQ(snapshot.history[0].busy_ns, 7u);
  EXPECT_EQ(snapshot.history[0].uses, 9u);
  EXPECT_EQ(snapshot.history[1].server_full, 2u);
  EXPECT_EQ(snapshot.history[2].opened, 3u);
}

TEST_F(LedgerReaderTest, PeriodsThatCannotBeAreLeftOut) {
  LedgerBuilder builder;
  builder.AddPeriod(60);
  builder.AddPeriod(60);
  builder.AddPeriod(0).period = UINT64_MAX;
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_THAT(PeriodsOf(snapshot), ElementsAre(106));
  EXPECT_THAT(snapshot.warnings,
              ElementsAre("the ledger is damaged: 2 periods of the history cannot be"));
}

TEST_F(LedgerReaderTest, NoMoreOfTheHistoryIsReadThanThereIs) {
  LedgerBuilder builder;
  for (int i = 0; i < 140; ++i) builder.AddPeriod(10 * i);
  EXPECT_EQ(ReadGood(builder).history.size(), 128u);
}

TEST_F(LedgerReaderTest, TheHistoryIsThatOfTheLast128Periods) {
  struct Case {
    Life life;
    std::vector<uint64_t> kept;
  };
  // As of period 300 for a living process, 100 for a dead one.
  for (const Case& c : {Case{Life::kLive, {173, 300}}, Case{Life::kKilled, {1, 172, 173}}}) {
    LedgerBuilder builder;
    for (const uint64_t period : {1, 172, 173, 300, 301}) builder.AddPeriod(0).period = period;
    Snapshot snapshot = ReadGood(builder);
    SetLife(c.life, 0, 3'005 * kTestSecond, &snapshot);
    EXPECT_EQ(PeriodsOf(snapshot), c.kept);
  }
}

TEST_F(LedgerReaderTest, ReadsCoverage) {
  LedgerBuilder builder;
  builder.header.intercepted = ledger::kInterceptLookUps | ledger::kInterceptDeepBind;
  builder.header.interpreters = 1u << ledger::kPython | 1u << ledger::kPerl;
  builder.header.bypassed_calls = 3;
  builder.header.bypassed_closes = 4;
  builder.header.uncovered_lookups = 5;
  builder.header.libpq_copies[0].ways = ledger::kWayBound | ledger::kWayDeepBind;
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_THAT(snapshot.warnings, IsEmpty());
  EXPECT_TRUE(snapshot.process.intercepted.look_ups);
  EXPECT_TRUE(snapshot.process.intercepted.deep_bind);
  EXPECT_THAT(snapshot.process.interpreters, ElementsAre(Language::kPython, Language::kPerl));
  EXPECT_EQ(snapshot.totals.bypassed_calls, 3u);
  EXPECT_EQ(snapshot.totals.bypassed_closes, 4u);
  EXPECT_EQ(snapshot.totals.uncovered_lookups, 5u);
  const LibpqWays& ways = snapshot.libpq_copies[0].ways;
  EXPECT_TRUE(ways.bound);
  EXPECT_FALSE(ways.looked_up);
  EXPECT_TRUE(ways.deep_bind);
}

TEST_F(LedgerReaderTest, ReadsInheritedConnections) {
  const Snapshot snapshot = ReadGood(ExampleChildLedger());
  EXPECT_THAT(snapshot.warnings, IsEmpty());
  ASSERT_EQ(snapshot.connections.size(), 2u);
  const Connection& used = snapshot.connections[0];
  EXPECT_EQ(used.state, ConnectionState::kInherited);
  EXPECT_EQ(used.opener_pid, 4711);
  EXPECT_EQ(used.touched_by, "PQexec");
  EXPECT_EQ(snapshot.call_sites[used.call_site].id, 0x1111u);
  EXPECT_EQ(snapshot.call_sites[used.touched_site].id, 0x5555u);
  EXPECT_FALSE(used.finished_here);
  EXPECT_TRUE(snapshot.connections[1].finished_here);
}

// A process that goes on without its interpreter has nothing to do with them any more.
TEST_F(LedgerReaderTest, WhatWasLeftToAnInterpreterIsSaidOfTheDeadAlone) {
  LedgerBuilder builder;
  builder.AddConnection(0, 0, 1, 1, 1);
  builder.AddConnection(0, 0, 1, 1, 1);
  builder.connections[1].state = ledger::kLeftOpen;
  builder.connections[1].closed_by = ledger::kRuby;
  builder.header.left_open = 1;
  builder.header.closed_with_request = 7;
  builder.header.caps_locked_out_since_ns = 3'000 * kTestSecond;
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_THAT(snapshot.warnings, IsEmpty());
  EXPECT_EQ(snapshot.totals.left_open, 1u);
  EXPECT_EQ(snapshot.totals.closed_with_request, 7u);
  EXPECT_EQ(snapshot.caps_locked_out_since_ns, 3'000 * kTestSecond);
  for (const Life life : {Life::kLive, Life::kUnknown}) {
    Snapshot living = snapshot;
    SetLife(life, 0, 3'005 * kTestSecond, &living);
    ASSERT_EQ(living.connections.size(), 1u) << static_cast<int>(life);
    EXPECT_EQ(living.connections[0].state, ConnectionState::kEstablished);
  }
  for (const Life life : {Life::kEnded, Life::kKilled, Life::kReplaced}) {
    Snapshot dead = snapshot;
    SetLife(life, 0, 3'005 * kTestSecond, &dead);
    ASSERT_EQ(dead.connections.size(), 2u) << static_cast<int>(life);
    EXPECT_EQ(dead.connections[1].state, ConnectionState::kLeftOpen);
    EXPECT_EQ(dead.connections[1].closed_by, Language::kRuby);
    EXPECT_FALSE(IsOpen(dead.connections[1]));
  }
}

TEST_F(LedgerReaderTest, AnInterpreterThatIsNotKnownIsOneAllTheSame) {
  LedgerBuilder builder;
  builder.AddConnection(0, 0, 1, 1, 1);
  builder.connections[0].state = ledger::kLeftOpen;
  builder.connections[0].closed_by = UINT16_MAX;
  EXPECT_EQ(ReadGood(builder).connections[0].closed_by, Language::kUnknown);
}

TEST_F(LedgerReaderTest, BadReferencesOfInheritedConnections) {
  struct Case {
    const char* what;
    void (*damage)(ledger::ConnectionSlot*);
    const char* warning;
    bool of_all = false;  // slots of other states have it as well
  };
  const Case cases[] = {
      {"used site", [](ledger::ConnectionSlot* s) { s->used_site = 5; }, "1 references", true},
      {"used site, far", [](ledger::ConnectionSlot* s) { s->used_site = ~0u; }, "1 references",
       true},
      {"touched by", [](ledger::ConnectionSlot* s) { s->touched_by = ~0u; }, "1 strings"},
      {"no opener", [](ledger::ConnectionSlot* s) { s->opener_pid = 0; }, "name no opener"},
      {"opener below 0", [](ledger::ConnectionSlot* s) { s->opener_pid = -1; }, "name no opener"},
      {"flags", [](ledger::ConnectionSlot* s) { s->inherited = 2; }, "1 fields hold flags"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.what);
    LedgerBuilder builder = ExampleChildLedger();
    test.damage(&builder.connections[0]);
    EXPECT_THAT(ReadGood(builder).warnings, ElementsAre(HasSubstr(test.warning)));
    // What a slot of any other state holds there is nobody's business, but for where it was last
    // used.
    builder.connections[0].state = ledger::kBroken;
    if (!test.of_all) {
      EXPECT_THAT(ReadGood(builder).warnings, IsEmpty());
    }
  }
}

TEST_F(LedgerReaderTest, LeavesOutWhatIsInMotion) {
  LedgerBuilder builder = ExampleLedger();
  builder.connections[1].sequence = 3;
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_EQ(snapshot.connections.size(), 10u);
  EXPECT_EQ(snapshot.in_motion, 1u);
  EXPECT_THAT(snapshot.warnings, ElementsAre(HasSubstr("1 connections were in motion")));
}

TEST_F(LedgerReaderTest, LeavesOutFreeSlots) {
  LedgerBuilder builder = ExampleLedger();
  builder.connections[0].state = ledger::kSlotFree;
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_EQ(snapshot.connections.size(), 10u);
  EXPECT_THAT(snapshot.warnings, IsEmpty());
}

TEST_F(LedgerReaderTest, SkipsCallSitesThatAreNotFilledYet) {
  LedgerBuilder builder = ExampleLedger();
  builder.call_sites[2] = {};
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_EQ(snapshot.call_sites[2].id, 0u);
  EXPECT_EQ(snapshot.call_sites[3].id, 0x3333u);
  EXPECT_THAT(snapshot.warnings, IsEmpty());
}

TEST_F(LedgerReaderTest, TakesTextsThatFillTheirFields) {
  LedgerBuilder builder;
  std::memset(builder.header.service, 's', sizeof builder.header.service);
  std::memset(builder.header.host_name, 'h', sizeof builder.header.host_name);
  builder.AddConnection(0, 0, 1, 1, 1);
  std::memset(builder.connections[0].thread_name, 't', 16);
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_EQ(snapshot.process.service, std::string(64, 's'));
  EXPECT_EQ(snapshot.process.host_name, std::string(64, 'h'));
  EXPECT_EQ(snapshot.connections[0].thread_name, std::string(16, 't'));
}

TEST_F(LedgerReaderTest, SaysWhatFoundNoRoom) {
  LedgerBuilder builder;
  builder.header.unrecorded_connections = 312;
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_THAT(snapshot.warnings, ElementsAre(HasSubstr("312 connections found no room")));
}

TEST_F(LedgerReaderTest, BadReferencesAreSaidAndReadAsUnknown) {
  struct Case {
    const char* what;
    void (*damage)(LedgerBuilder*);
    const char* warning;
  };
  const Case cases[] = {
      {"call site", [](LedgerBuilder* b) { b->connections[0].call_site = 4; }, "1 references"},
      {"call site, far", [](LedgerBuilder* b) { b->connections[0].call_site = ~0u; },
       "1 references"},
      {"target", [](LedgerBuilder* b) { b->connections[0].target = 2; }, "1 references"},
      {"target, far", [](LedgerBuilder* b) { b->connections[0].target = ~0u; }, "1 references"},
      {"state", [](LedgerBuilder* b) { b->connections[0].state = 10; }, "1 connections in a state"},
      {"build id", [](LedgerBuilder* b) { b->modules[0].build_id_size = 33; }, "1 references"},
      {"module", [](LedgerBuilder* b) { b->frames[0] = ModuleFrame(2, 1); }, "1 frames"},
      {"last module", [](LedgerBuilder* b) { b->frames[0] = ModuleFrame(0xfffd, 1); }, "1 frames"},
      {"script frame", [](LedgerBuilder* b) { b->frames[0] = ScriptFrameAt(1); }, "1 frames"},
      {"first frame", [](LedgerBuilder* b) { b->call_sites[1].first_frame = ~0u; }, "1 stacks"},
      {"frame count", [](LedgerBuilder* b) { b->call_sites[1].frame_count = 6; }, "1 stacks"},
      {"string past the end", [](LedgerBuilder* b) { b->header.exe = 0x7ffffffc; }, "1 strings"},
      {"string, largest", [](LedgerBuilder* b) { b->header.exe = ~0u; }, "1 strings"},
      {"string at the end",
       [](LedgerBuilder* b) { b->header.exe = static_cast<uint32_t>(b->strings.size()); },
       "1 strings"},
      {"string not aligned", [](LedgerBuilder* b) { b->header.exe += 1; }, "1 strings"},
      {"string too long",
       [](LedgerBuilder* b) { std::memset(b->strings.data() + b->header.exe, 0xff, 4); },
       "1 strings"},
      {"process state", [](LedgerBuilder* b) { b->header.process_state = 9; }, "process state 9"},
      {"ways", [](LedgerBuilder* b) { b->header.libpq_copies[0].ways = 8; }, "1 fields hold flags"},
      {"intercepted", [](LedgerBuilder* b) { b->header.intercepted = ~0u; }, "1 fields hold flags"},
      {"interpreters", [](LedgerBuilder* b) { b->header.interpreters = 1; }, "1 fields hold flags"},
      {"libpq copies", [](LedgerBuilder* b) { b->header.libpq_copies_used = 17; }, "17 copies"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.what);
    LedgerBuilder builder = ExampleLedger();
    test.damage(&builder);
    EXPECT_THAT(ReadGood(builder).warnings, ElementsAre(HasSubstr(test.warning)));
  }
}

// A report with them could not be read back, and with it all that is beside them would be lost.
TEST_F(LedgerReaderTest, ProcessIdsThatNobodyHasAreSaidAndReadAsUnknown) {
  LedgerBuilder builder;
  builder.header.pid = -5;
  builder.header.parent_pid = INT32_MIN;
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_EQ(snapshot.process.pid, 0);
  EXPECT_EQ(snapshot.process.parent_pid, 0);
  EXPECT_THAT(snapshot.warnings, ElementsAre("the ledger gives process id -5",
                                             "the ledger gives process id -2147483648"));
}

TEST_F(LedgerReaderTest, CountsBeyondTheCapacityAreCut) {
  using Counter = uint32_t ledger::Header::*;
  const Counter counters[] = {&ledger::Header::connections_high_water,
                              &ledger::Header::call_sites_used,
                              &ledger::Header::frames_used,
                              &ledger::Header::script_frames_used,
                              &ledger::Header::modules_used,
                              &ledger::Header::targets_used,
                              &ledger::Header::strings_used};
  for (const Counter counter : counters) {
    std::string bytes = ExampleLedger().Bytes();
    ledger::Header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    header.*counter = ~0u;
    std::memcpy(bytes.data(), &header, sizeof header);
    LedgerResult result = Read(bytes);
    ASSERT_TRUE(std::holds_alternative<Snapshot>(result));
    EXPECT_THAT(std::get<Snapshot>(result).warnings,
                ::testing::Contains(HasSubstr("the ledger counts 4294967295")));
  }
}

TEST_F(LedgerReaderTest, CopiesOfOneLongStringAreBounded) {
  LedgerBuilder builder;
  const ledger::StringRef text = builder.AddString(std::string(ledger::kMaxStringSize, 'x'));
  builder.targets.assign(50'000, {1, 5432, text, text, text, text, {0, 0}});
  const Snapshot snapshot = ReadGood(builder);
  EXPECT_EQ(snapshot.targets.size(), 50'000u);
  EXPECT_THAT(snapshot.warnings, ElementsAre(HasSubstr("strings are left out")));
}

// ---------------------------------------------------------------------------------------------------------------------
// What is refused, and how it is said.

TEST_F(LedgerReaderTest, ErrorsAreDistinctAndNameTheFile) {
  using Kind = LedgerError::Kind;
  struct Case {
    const char* what;
    std::string bytes;
    Kind kind;
    const char* sentence;
  };
  const std::string good = ExampleLedger().Bytes();
  const auto with = [&](size_t offset, const std::string& change) {
    std::string bytes = good;
    return bytes.replace(offset, change.size(), change);
  };
  const Case cases[] = {
      {"empty", "", Kind::kNotYetWritten, "is not written yet"},
      {"no magic yet", with(0, std::string(8, '\0')), Kind::kNotYetWritten, "is not written yet"},
      {"text", "PQLEASH is a fine tool", Kind::kNotALedger, "mark of a ledger"},
      {"short text", "P-", Kind::kNotALedger, "mark of a ledger"},
      {"ELF",
       "\x7f"
       "ELF and so on",
       Kind::kNotALedger, "mark of a ledger"},
      {"magic only", good.substr(0, 8), Kind::kTruncated, "has 8 bytes, expected a header of 4096"},
      {"header only", good.substr(0, 4096), Kind::kTruncated, "has 4096 bytes, expected"},
      {"all but one", good.substr(0, good.size() - 1), Kind::kTruncated, "it was truncated"},
      {"version 1", with(8, std::string("\x01\0\0\0", 4)), Kind::kOtherVersion,
       "has format version 1, expected 6"},
      {"big-endian", with(8, std::string("\0\0\0\x06", 4)), Kind::kOtherByteOrder,
       "the other byte order"},
      {"byte order mark", with(16, "\x01\x02\x03\x04"), Kind::kOtherByteOrder,
       "byte order mark 0x04030201, expected 0x01020304"},
      {"header size", with(12, std::string("\x01\0\0\0", 4)), Kind::kDamaged,
       "header size 1, expected 4096"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.what);
    const LedgerResult result = Read(test.bytes);
    const auto* error = std::get_if<LedgerError>(&result);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->kind, test.kind) << error->sentence;
    EXPECT_THAT(error->sentence, HasSubstr(test.sentence));
    EXPECT_THAT(error->sentence, HasSubstr(path_));
  }
}

TEST_F(LedgerReaderTest, SectionsMustLieInTheFile) {
  for (uint32_t i = 0; i < ledger::kSectionCount; ++i) {
    for (const uint64_t offset :
         {uint64_t{0}, uint64_t{4095}, uint64_t{1} << 40, ~uint64_t{0}, ~uint64_t{0} - 4096}) {
      SCOPED_TRACE(testing::Message() << "section " << i << " at " << offset);
      std::string bytes = ExampleLedger().Bytes();
      std::memcpy(bytes.data() + 32 + 16 * i, &offset, 8);
      const LedgerResult result = Read(bytes);
      ASSERT_TRUE(std::holds_alternative<LedgerError>(result));
      EXPECT_EQ(std::get<LedgerError>(result).kind, LedgerError::Kind::kDamaged);
    }
    for (const uint32_t field : {8, 12}) {  // record size, capacity
      std::string bytes = ExampleLedger().Bytes();
      std::memset(bytes.data() + 32 + 16 * i + field, 0xff, 4);
      const LedgerResult result = Read(bytes);
      ASSERT_TRUE(std::holds_alternative<LedgerError>(result)) << "section " << i;
    }
  }
}

TEST_F(LedgerReaderTest, RefusesWhatIsNoRegularFile) {
  const auto kind_of = [](const std::string& path) {
    const LedgerResult result = ReadLedger(AT_FDCWD, path, path);
    return std::holds_alternative<LedgerError>(result) ? std::get<LedgerError>(result).kind
                                                       : LedgerError::Kind::kDamaged;
  };
  ExampleLedger().WriteTo(path_);
  const std::string link = directory_.Path("link");
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  EXPECT_EQ(kind_of(link), LedgerError::Kind::kNotALedger);
  const std::string fifo = directory_.Path("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(kind_of(fifo), LedgerError::Kind::kNotALedger);
  EXPECT_EQ(kind_of(directory_.path()), LedgerError::Kind::kNotALedger);
  EXPECT_EQ(kind_of("/dev/zero"), LedgerError::Kind::kNotALedger);
  EXPECT_EQ(kind_of(directory_.Path("nothing")), LedgerError::Kind::kMissing);
}

TEST_F(LedgerReaderTest, RefusesHugeFiles) {
  ExampleLedger().WriteTo(path_);
  ASSERT_EQ(truncate(path_.c_str(), static_cast<off_t>(kMaxLedgerSize) + 1), 0);
  LedgerResult result = ReadLedger(AT_FDCWD, path_, path_);
  ASSERT_TRUE(std::holds_alternative<LedgerError>(result));
  EXPECT_EQ(std::get<LedgerError>(result).kind, LedgerError::Kind::kTooLarge);
  // One of the largest size is sparse, and read as far as it is used.
  ASSERT_EQ(truncate(path_.c_str(), static_cast<off_t>(kMaxLedgerSize)), 0);
  result = ReadLedger(AT_FDCWD, path_, path_);
  EXPECT_TRUE(std::holds_alternative<Snapshot>(result));
}

}  // namespace
}  // namespace pqleash::reporter
