// SPDX-License-Identifier: Apache-2.0
//
// The renderers' outputs, compared with the files in golden/. After an intended change record them
// anew and review the difference: PQLEASH_RECORD_GOLDEN=1 reporter_test --gtest_filter='Golden*'

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/caps/caps_report.h"
#include "reporter/render/caps_json.h"
#include "reporter/render/caps_text.h"
#include "reporter/render/json.h"
#include "reporter/render/text.h"
#include "reporter/report/report_builder.h"
#include "reporter/snapshot/board_reader.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/ledger_reader.h"
#include "tests/reporter/example_board.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

void Compare(const std::string& name, const std::string& actual) {
  const std::string path = std::string(PQLEASH_GOLDEN_DIR) + "/" + name;
  if (std::getenv("PQLEASH_RECORD_GOLDEN") != nullptr) WriteFile(path, actual);
  EXPECT_EQ(actual, ReadWholeFile(path)) << "differs from " << path;
}

Snapshot ReadExample(const LedgerBuilder& builder, Life life) {
  const ScratchDirectory directory;
  const std::string path = directory.Path("4711-5000.ledger");
  builder.WriteTo(path);
  LedgerResult result = ReadLedger(AT_FDCWD, path, "/dev/shm/pqleash-1000/4711-5000.ledger");
  Snapshot snapshot = std::get<Snapshot>(std::move(result));
  SetLife(life, life == Life::kLive ? 4711 : 0, kTestStart + 2'000 * kTestSecond, &snapshot);
  return snapshot;
}

SourceFrame Native(const std::string& function, const std::string& file, uint32_t line,
                   const std::string& module, uint64_t offset) {
  SourceFrame frame;
  frame.function = function;
  frame.file = file;
  frame.line = line;
  frame.module = module;
  frame.offset = offset;
  return frame;
}

// In place of a symboliser, whose answers depend on the files of the machine.
void AddFrames(std::vector<CallSiteGroup>* groups) {
  for (CallSiteGroup& group : *groups) {
    if (group.id == 0x1111) {
      group.frames = {Native("", "", 0, "/usr/lib/x86_64-linux-gnu/libdriver.so.1", 0x1234),
                      Native("shop::Session::Session(std::shared_ptr<shop::Config const>)",
                             "src/session.cc", 41, "/opt/orders/bin/orders", 0x5678),
                      Native("shop::HandleOrder(shop::Request const&, std::vector<shop::Item, "
                             "std::allocator<shop::Item> > const&)",
                             "/builds/shop/services/orders/source/backend/handlers/http/order.cc",
                             107, "/opt/orders/bin/orders", 0x5678),
                      Native("main", "src/main.cc", 12, "/opt/orders/bin/orders", 0x9abc)};
      group.frames[1].inlined = true;
      group.frames[0].note = "file was replaced since";
    } else if (group.id == 0x2222) {
      SourceFrame frame;
      frame.function = "handle_order";
      frame.file = "/srv/orders/views.py";
      frame.line = 42;
      frame.language = Language::kPython;
      group.frames = {frame};
    } else if (group.id == 0x5555) {
      SourceFrame driver = Native("psyco_connect", "", 0, "/usr/lib/_psycopg.so", 0x777);
      SourceFrame script;
      script.function = "worker";
      script.file = "/srv/orders/tasks.py";
      script.line = 17;
      script.language = Language::kPython;
      group.frames = {driver, script,
                      Native("_PyEval_EvalFrameDefault", "", 0, "/usr/bin/python3.11", 0x888),
                      Native("Py_RunMain", "", 0, "/usr/bin/python3.11", 0x999)};
    } else if (group.id == 0x3333) {
      group.frames = {Native("", "", 0, "", 0x7f0012345678)};
    }
  }
}

Report Make(const std::vector<Snapshot>& snapshots, const Filter& filter,
            const std::vector<std::string>& incomplete) {
  std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  AddFrames(&groups);
  return BuildReport(snapshots, groups, filter, incomplete,
                     {1'763'702'000 * kTestSecond, "db-client-7"});
}

std::string Text(const Report& report, bool colour = false, bool native_frames = false) {
  std::ostringstream out;
  RenderReportText(report, {colour, native_frames}, out);
  return out.str();
}

TEST(GoldenTest, LiveProcess) {
  const std::vector<Snapshot> snapshots = {ReadExample(ExampleLedger(), Life::kLive)};
  const Report report = Make(snapshots, {}, {});
  Compare("live.txt", Text(report));
  Compare("live.coloured.txt", Text(report, /*colour=*/true));
  std::ostringstream json;
  RenderReportJson(report, json);
  Compare("live.json", json.str());
}

TEST(GoldenTest, SeveralProcessesOfWhichOneIsGoneAndOneUnreadable) {
  LedgerBuilder dead = ExampleLedger();
  dead.header.pid = 4600;
  dead.header.process_state = ledger::kProcessEnded;
  dead.header.ending_ns = dead.header.ended_ns = kTestStart + 600 * kTestSecond;
  dead.header.unrecorded_connections = 5;
  dead.connections[2].sequence = 7;
  const std::vector<Snapshot> snapshots = {ReadExample(dead, Life::kEnded),
                                           ReadExample(ExampleLedger(), Life::kLive)};
  const Report report = Make(snapshots, {},
                             {"ledger /dev/shm/pqleash-1000/4800-1.ledger has format version 1, "
                              "expected 2: read it with the pqleash that was installed together "
                              "with the library of that process"});
  Compare("several.txt", Text(report));
}

TEST(GoldenTest, SharedAcrossFork) {
  LedgerBuilder child = ExampleChildLedger();
  child.header.bypassed_calls = 1;
  child.header.bypassed_closes = 2;
  child.header.libpq_copies_used = 2;
  child.header.libpq_copies[1] = {child.AddString("/srv/venv/psycopg_binary.libs/libpq-9b38.so"),
                                  160002, ledger::kWayLookedUp, 0};
  const std::vector<Snapshot> snapshots = {ReadExample(ExampleLedger(), Life::kLive),
                                           ReadExample(child, Life::kKilled)};
  const Report report = Make(snapshots, {}, {});
  Compare("forked.txt", Text(report));
  Compare("forked.native.txt", Text(report, /*colour=*/false, /*native_frames=*/true));
  std::ostringstream json;
  RenderReportJson(report, json);
  Compare("forked.json", json.str());
}

TEST(GoldenTest, Filtered) {
  const std::vector<Snapshot> snapshots = {ReadExample(ExampleLedger(), Life::kLive)};
  Filter filter;
  filter.min_age_ns = 1'950 * kTestSecond;
  filter.min_idle_ns = 60 * kTestSecond;
  filter.top = 1;
  Compare("filtered.txt", Text(Make(snapshots, filter, {})));
}

TEST(GoldenTest, NothingThere) { Compare("nothing.txt", Text(Make({}, {}, {}))); }

TEST(GoldenTest, HostileNames) {
  LedgerBuilder builder;
  std::string name = "evil\x1b]0;owned\x07\xe2\x80\xae\xff";
  name.copy(builder.header.service, name.size());
  const uint32_t target = builder.AddTarget(
      "h\x9b"
      "31m",
      1, name, "d\nb", "a\\b");
  const uint32_t script = builder.AddScriptFrame(ledger::kRuby, name, "x\ry.rb", 3);
  const uint32_t site = builder.AddCallSite(0x4444, {ScriptFrameAt(script)});
  builder.AddConnection(site, target, 1, 2, 0).in_call = builder.AddString("PQ\x1b[2Jexec");
  const std::vector<Snapshot> snapshots = {ReadExample(builder, Life::kLive)};
  std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  Symboliser symboliser;
  EXPECT_EQ(SymboliseCallSites(snapshots, &symboliser, &groups), 0u);
  const Report report = BuildReport(snapshots, groups, {}, {}, {1, name});
  std::ostringstream json;
  RenderReportJson(report, json);
  for (const std::string& shown : {Text(report), json.str()}) {
    for (const char byte : shown) {
      EXPECT_TRUE(byte == '\n' || (byte >= ' ' && byte <= '~')) << static_cast<int>(byte);
    }
  }
  Compare("hostile.txt", Text(report));
}

TEST(GoldenTest, ProcessList) {
  LedgerBuilder dead = ExampleLedger();
  dead.header.pid = 4600;
  const ProcessList list = BuildProcessList(
      {ReadExample(dead, Life::kKilled), ReadExample(ExampleLedger(), Life::kLive)}, {},
      {1'763'702'000 * kTestSecond, "db-client-7"});
  std::ostringstream text;
  RenderProcessListText(list, /*colour=*/false, text);
  Compare("ps.txt", text.str());
  std::ostringstream json;
  RenderProcessListJson(list, json);
  Compare("ps.json", json.str());
}

BoardSnapshot ReadMemory(const MemoryBoard& board) {
  const std::string bytes = board.Bytes();
  return std::get<BoardSnapshot>(ReadBoard(AsBytes(bytes), "example"));
}

CapsReport ExampleCaps() {
  MemoryBoard shared;
  FillExample(&shared);
  MemoryBoard own;
  FillProcessExample(&own);
  BoardSnapshot board = ReadMemory(shared);
  board.members[1].ended = true;
  board.uncounted = 2;
  // The moment of the next try is drawn by lot.
  board.policies[1].counters.probe_at_ns = kBoardNow + 70'000'000;
  board.policies[1].counters.probes = 3;
  board.policies[0].counters.waited = 140;
  board.policies[0].counters.refused = 8;
  board.policies[0].counters.timed_out = 4;
  board.policies[0].counters.longest_wait_ns = 4'900'000'000;
  const std::string directory = "/dev/shm/pqleash-1000/";
  return BuildCapsReport({{directory + "caps-1-4026531836.board", board}},
                         {{4711, "shop", directory + "4711-5000.ledger", ReadMemory(own)}},
                         kBoardNow, {}, {1'763'730'000'000'000'000, "orders-1"});
}

std::string CapsText(const CapsReport& report, const CapsTextOptions& options) {
  std::ostringstream out;
  RenderCapsText(report, options, out);
  return out.str();
}

TEST(GoldenTest, Caps) { Compare("caps.txt", CapsText(ExampleCaps(), {})); }

TEST(GoldenTest, CapsOfAName) {
  CapsReport report = ExampleCaps();
  KeepPolicies("billing", {"shop"}, &report);
  Compare("caps-name.txt", CapsText(report, {/*colour=*/false, /*holders=*/true}));
}

TEST(GoldenTest, CapsColoured) {
  Compare("caps.coloured.txt", CapsText(ExampleCaps(), {/*colour=*/true, /*holders=*/false}));
}

TEST(GoldenTest, NoCaps) { Compare("caps-none.txt", CapsText({}, {})); }

TEST(GoldenTest, CapsJson) {
  std::ostringstream out;
  RenderCapsJson(ExampleCaps(), out);
  Compare("caps.json", out.str());
}

}  // namespace
}  // namespace pqleash::reporter
