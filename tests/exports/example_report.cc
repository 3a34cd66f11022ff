// SPDX-License-Identifier: Apache-2.0

#include "tests/exports/example_report.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/caps/caps_report.h"
#include "reporter/report/report_builder.h"
#include "reporter/snapshot/board_reader.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/ledger_reader.h"
#include "tests/reporter/example_board.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kNow = kTestStart + 2'000 * kTestSecond;
const Occasion kOccasion = {1'763'702'000 * kTestSecond, "db-client-7"};

template <size_t kSize>
void Copy(const std::string& text, char (&field)[kSize]) {
  std::memset(field, 0, kSize);
  std::memcpy(field, text.data(), std::min(text.size(), kSize - 1));
}

Snapshot Read(const LedgerBuilder& builder) {
  const ScratchDirectory directory;
  const std::string path = directory.Path("example.ledger");
  builder.WriteTo(path);
  LedgerResult result = ReadLedger(AT_FDCWD, path, "/dev/shm/pqleash-1000/example.ledger");
  Snapshot snapshot = std::get<Snapshot>(std::move(result));
  SetLife(Life::kLive, builder.header.pid, kNow, &snapshot);
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

SourceFrame Python(const std::string& function, const std::string& file, uint32_t line) {
  SourceFrame frame;
  frame.function = function;
  frame.file = file;
  frame.line = line;
  frame.language = Language::kPython;
  return frame;
}

constexpr const char* kProgram = "/opt/orders/bin/orders";
constexpr const char* kInterpreter = "/usr/bin/python3.11";

std::vector<SourceFrame> OrderFrames(const std::string& handler, uint32_t line, uint64_t offset) {
  std::vector<SourceFrame> frames = {
      Native("", "", 0, "/usr/lib/x86_64-linux-gnu/libdriver.so.1", 0x1235),
      Native("shop::Session::Session(std::shared_ptr<shop::Config const>)", "src/session.cc", 41,
             kProgram, offset),
      Native(handler, "src/handlers/order.cc", line, kProgram, offset),
      Native("shop::Server::Run()", "src/server.cc", 77, kProgram, 0x7001),
      Native("main", "src/main.cc", 12, kProgram, 0x9abd)};
  frames[1].inlined = true;
  frames[1].build_id = frames[2].build_id = frames[3].build_id = frames[4].build_id =
      "\x01\x02\x03";
  frames[0].build_id = "\x04\x05";
  return frames;
}

std::vector<SourceFrame> BillingFrames(const std::string& function, uint32_t line) {
  return {
      Native("psyco_connect", "", 0, "/usr/lib/python3/dist-packages/psycopg2/_psycopg.so", 0x7771),
      Python("connect", "/usr/lib/python3/dist-packages/psycopg2/__init__.py", 122),
      Python(function, "/srv/billing/tasks.py", line),
      Python("main", "/srv/billing/worker.py", 12),
      Native("_PyEval_EvalFrameDefault", "", 0, kInterpreter, 0x8881),
      Native("Py_RunMain", "", 0, kInterpreter, 0x9991)};
}

std::vector<SourceFrame> FramesOf(uint64_t id) {
  switch (id) {
    case 0x1111:
      return OrderFrames("shop::HandleOrder(shop::Request const&)", 107, 0x5679);
    case 0x2222:
      return OrderFrames("shop::HandleRefund(shop::Request const&)", 64, 0x6679);
    case 0x3333:
      return {Native("", "", 0, "", 0x7f0012345678)};
    case 0x4444:
      return BillingFrames("invoice", 31);
    case 0x5555:
      return BillingFrames("remind", 58);
    default:
      return {};
  }
}

LedgerBuilder Orders() {
  LedgerBuilder ledger;
  ledger.AddModule(kProgram, "\x01\x02\x03");
  ledger.AddModule("/usr/lib/x86_64-linux-gnu/libdriver.so.1", "\x04\x05");
  const uint32_t server = ledger.AddTarget("10.0.0.3", 5432, "app", "shop", "orders-web");
  const uint32_t leak = ledger.AddCallSite(0x1111, {ModuleFrame(0, 0x5679)});
  const uint32_t pool = ledger.AddCallSite(0x2222, {ModuleFrame(0, 0x6679)});
  const uint32_t failing = ledger.AddCallSite(0x3333, {ledger::EncodeFrame(0, 0x7f0012345678)});
  uint32_t open = 0;
  const auto period = [&](double at_s) {
    ledger::HistoryPeriod& opened = ledger.AddPeriod(at_s);
    opened.opened = 1;
    opened.open_peak = ++open;
    opened.in_use_peak = 1 + open % 3;
    return &opened;
  };
  for (int i = 0; i < 4; ++i) {
    const double at_s = 750 + 10 * i;
    ledger.AddConnection(pool, server, at_s, 1'990 + i, 300 + 90 * i);
    period(at_s);
  }
  for (int i = 0; i < 23; ++i) {
    const double at_s = 790 + 31 * i;
    ledger.AddConnection(leak, server, at_s, at_s + 1, 3);
    period(at_s);
  }
  ledger.connections[1].in_call = ledger.AddString("PQexec");
  ledger.connections[1].transaction = ledger::kTransactionActive;
  ledger.connections[1].busy_since_ns = kTestStart + 1'991 * kTestSecond;
  ledger.call_sites[pool].in_use = ledger.header.in_use = 1;
  ledger.call_sites[pool].in_use_peak = ledger.header.in_use_peak = 3;
  ledger.call_sites[leak].in_use_peak = 1;
  ledger.call_sites[leak].opened_beside_idle = 22;
  ledger::ConnectionSlot& failed = ledger.AddConnection(failing, 0, 1'950, 1'951, 0);
  failed.state = ledger::kFailed;
  failed.established_ns = 0;
  failed.backend_pid = 0;
  ledger::CallSite& site = ledger.call_sites[failing];
  site.opened = site.open = site.peak = 0;
  site.failed = ledger.header.failed = 1;
  ledger.header.opened = ledger.header.open = ledger.header.peak = 27;
  return ledger;
}

LedgerBuilder Billing() {
  LedgerBuilder ledger;
  ledger.header.pid = 4802;
  Copy("billing", ledger.header.service);
  ledger.header.exe = ledger.AddString(kInterpreter);
  ledger.header.interpreters = 1u << ledger::kPython;
  ledger.AddModule("/usr/lib/python3/dist-packages/psycopg2/_psycopg.so", "\x06");
  ledger.AddModule(kInterpreter, "\x07\x08");
  const uint32_t server = ledger.AddTarget("10.0.0.3", 5432, "billing", "shop", "billing");
  const uint32_t invoice = ledger.AddCallSite(0x4444, {ModuleFrame(0, 0x7771)});
  const uint32_t remind = ledger.AddCallSite(0x5555, {ModuleFrame(0, 0x7771)});
  ledger::HistoryPeriod& opened = ledger.AddPeriod(900);
  opened.opened = opened.open_peak = 12;
  ledger::HistoryPeriod& closed = ledger.AddPeriod(1'500);
  closed.closed = 5;
  closed.open_peak = 12;
  for (int i = 0; i < 5; ++i) ledger.AddConnection(invoice, server, 901, 1'980 + i, 4'000);
  for (int i = 0; i < 2; ++i) ledger.AddConnection(remind, server, 902, 1'970 + i, 12);
  // A transaction that nobody ends.
  ledger.connections[2].transaction = ledger::kTransactionOpen;
  ledger.connections[2].last_activity_ns = kTestStart + 1'700 * kTestSecond;
  ledger.call_sites[invoice].in_use_peak = ledger.header.in_use_peak = 5;
  ledger.call_sites[remind].in_use_peak = 7;
  ledger.call_sites[remind].opened += 5;
  ledger.call_sites[remind].closed += 5;
  ledger.call_sites[remind].peak += 5;
  ledger.header.opened += 5;
  ledger.header.closed += 5;
  ledger.header.peak += 5;
  return ledger;
}

std::vector<CapsPolicy> Caps() {
  MemoryBoard shared;
  FillExample(&shared);
  const std::string bytes = shared.Bytes();
  const BoardSnapshot board = std::get<BoardSnapshot>(ReadBoard(AsBytes(bytes), "example"));
  return BuildCapsReport({{"/dev/shm/pqleash-1000/caps-1-4026531836.board", board}}, {}, kBoardNow,
                         {}, kOccasion)
      .policies;
}

Report Build(const std::vector<LedgerBuilder>& ledgers, const std::vector<CapsPolicy>& caps,
             bool symbolise) {
  std::vector<Snapshot> snapshots;
  for (const LedgerBuilder& ledger : ledgers) snapshots.push_back(Read(ledger));
  std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  if (symbolise) {
    Symboliser symboliser;
    (void)SymboliseCallSites(snapshots, &symboliser, &groups);
  } else {
    for (CallSiteGroup& group : groups) group.frames = FramesOf(group.id);
  }
  return BuildReport(snapshots, groups, {}, {}, kOccasion, {}, caps);
}

}  // namespace

Report ExampleReport() { return Build({Orders(), Billing()}, Caps(), /*symbolise=*/false); }

Report HostileReport() {
  LedgerBuilder ledger;
  Copy(kHostile, ledger.header.service);
  Copy(kHostile, ledger.header.host_name);
  ledger.header.exe = ledger.AddString(kHostile);
  const uint32_t target = ledger.AddTarget(kHostile, 5432, kHostile, kHostile, kHostile);
  const uint32_t module = ledger.AddModule("/tmp/" + kHostile, "\x01");
  const uint32_t script = ledger.AddScriptFrame(ledger::kRuby, kHostile, "/srv/" + kHostile, 3);
  const uint32_t site =
      ledger.AddCallSite(0x6666, {ModuleFrame(module, 0x1235), ScriptFrameAt(script)});
  for (int i = 0; i < 3; ++i) ledger.AddConnection(site, target, 10 * i, 10 * i + 1, 0);
  for (ledger::ConnectionSlot& slot : ledger.connections) {
    Copy(kHostile, slot.thread_name);
    slot.in_call = ledger.AddString(kHostile);
  }
  ledger.connections[0].in_call = 0;
  ledger.connections[1].in_call = 0;
  ledger::HistoryPeriod& opened = ledger.AddPeriod(1'000);
  opened.opened = opened.open_peak = 3;
  Report report = Build({ledger}, Caps(), /*symbolise=*/true);
  for (CapsPolicy& policy : report.caps) {
    policy.policy.service = kHostile;
    for (CapsHolder& holder : policy.holders) holder.label = holder.service = kHostile;
    for (CapsWaiter& waiter : policy.waiters) waiter.label = waiter.service = kHostile;
  }
  report.host = kHostile;
  report.incomplete.push_back(kHostile);
  report.answer.sentence = kHostile;
  for (Finding& finding : report.findings) {
    finding.summary = finding.advice = kHostile;
    finding.evidence.push_back({kHostile, 1, kHostile});
    finding.stacks.push_back({kHostile, 0x6666, report.call_sites.front().frames});
  }
  return report;
}

}  // namespace pqleash::reporter
