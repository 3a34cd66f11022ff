// SPDX-License-Identifier: Apache-2.0
//
// Writes the seeds of the corpora into a directory, by the library's own code where it has any:
//   build/dev/tests/fuzz/fuzz_seeds tests/fuzz/corpus
// To be run again when a format changes: seeds of another version are refused at once, and what
// lies behind is not reached any more.

#include <fcntl.h>
#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/render/audit.h"
#include "reporter/render/json.h"
#include "reporter/report/merged_report.h"
#include "reporter/report/report_builder.h"
#include "reporter/report/saved_report.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/ledger_reader.h"
#include "tests/audit/example_audit.h"
#include "tests/reporter/example_board.h"
#include "tests/reporter/ledger_builder.h"

namespace pqleash::reporter {
namespace {

// What steers terminals, ends elements, lines, labels and quotes.
const std::string kHostile =
    "\x1b]0;x\x07</script><!--\"'`\n\r\t\\|*_{}\x7f\xc2\x9b\xff\xe2\x80\xae";

// Without the room that is not used: a seed is small.
std::string Small(LedgerBuilder ledger) {
  ledger.spare = 1;
  return ledger.Bytes();
}

// The same board with its policies last, of which there are 60 KiB whatever is used, and cut where
// nothing but zeros follows: the target appends these again.
std::string Small(const MemoryBoard& board) {
  const std::string bytes = board.Bytes();
  caps::BoardHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  std::string small(sizeof header, '\0');
  const auto move = [&](uint64_t* offset, uint64_t size) {
    small += bytes.substr(*offset, size);
    *offset = small.size() - size;
  };
  move(&header.core.shape.members_offset, header.core.shape.member_count * sizeof(caps::Member));
  move(&header.labels_offset, header.label_capacity * sizeof(caps::Label));
  move(&header.entries_offset, header.entry_capacity * sizeof(caps::Entry));
  move(&header.core.shape.records_offset, caps::kMaxPolicies * sizeof(caps::Record));
  header.core.size = small.size();
  std::memcpy(small.data(), &header, sizeof header);
  return small.substr(0, small.find_last_not_of('\0') + 1);
}

LedgerBuilder HostileLedger() {
  LedgerBuilder ledger;
  const uint32_t module = ledger.AddModule("/opt/" + kHostile, std::string(32, '\xff'));
  const uint32_t script =
      ledger.AddScriptFrame(ledger::kRuby, "f" + kHostile, "/srv/" + kHostile, 0xffffffff);
  const uint32_t site =
      ledger.AddCallSite(0xffffffffffffffff, {ScriptFrameAt(script), ModuleFrame(module, 1)});
  const uint32_t target =
      ledger.AddTarget("/run/" + kHostile, 65'536, kHostile, kHostile, kHostile);
  for (int i = 0; i < 5; ++i) {
    ledger::ConnectionSlot& slot = ledger.AddConnection(site, target, i, i, 1);
    std::memcpy(slot.thread_name, kHostile.data(), sizeof slot.thread_name);
    slot.in_call = ledger.AddString(kHostile);
  }
  std::memcpy(ledger.header.service, kHostile.data(),
              std::min(kHostile.size(), sizeof ledger.header.service));
  ledger.header.exe = ledger.AddString(kHostile);
  return ledger;
}

// A connection in each state, by another thread each, that grow: what most detectors look for.
LedgerBuilder BusyLedger() {
  LedgerBuilder ledger;
  const uint32_t module = ledger.AddModule("/opt/shop/bin/shop", "\x07");
  const uint32_t site = ledger.AddCallSite(0x77, {ModuleFrame(module, 0x77)});
  const uint32_t target = ledger.AddTarget("db", 5432, "app", "shop", "");
  for (uint32_t state = ledger::kConnecting; state <= ledger::kLeftOpen; ++state) {
    for (int i = 0; i < 3; ++i) {
      ledger::ConnectionSlot& slot =
          ledger.AddConnection(site, target, 1'900 + 5 * i, 1'900 + 5 * i, state);
      slot.state = state;
      slot.tid += static_cast<int32_t>(state);
      slot.transaction = ledger::kTransactionOpen;
      slot.busy_since_ns = slot.opened_ns;
    }
  }
  ledger.header.server_full = 3;
  for (int i = 0; i < 20; ++i) {
    ledger::HistoryPeriod& period = ledger.AddPeriod(1'800 + 10 * i);
    period.opened = period.closed = i < 17 ? 1 : 90;
    period.failed = period.server_full = i / 10;
    period.open_peak = period.in_use_peak = 10 + i;
    period.busy_ns = 90 * kTestSecond;
    period.uses = i < 17 ? 10 : 900;
  }
  ledger.header.process_state = ledger::kProcessEnded;
  ledger.header.open_when_ending = 24;
  return ledger;
}

std::string ReportOf(const std::string& bytes) {
  const std::string path = (std::filesystem::temp_directory_path() / "pqleash-seed").string();
  WriteFile(path, bytes);
  LedgerResult result = ReadLedger(AT_FDCWD, path, "/dev/shm/pqleash-1000/4711-5000.ledger");
  std::filesystem::remove(path);
  std::vector<Snapshot> snapshots;
  snapshots.push_back(std::get<Snapshot>(std::move(result)));
  snapshots[0].connections.resize(std::min<size_t>(snapshots[0].connections.size(), 3));
  SetLife(Life::kLive, 4711, kTestStart + 2'000 * kTestSecond, &snapshots[0]);
  Symboliser symboliser;
  std::vector<CallSiteGroup> groups = GroupCallSites(snapshots);
  (void)SymboliseCallSites(snapshots, &symboliser, &groups);
  std::ostringstream out;
  RenderReportJson(BuildReport(snapshots, groups, {}, {}, {1'763'702'000 * kTestSecond, "db-7"}),
                   out);
  return out.str();
}

std::string Merged(const std::string& json) {
  const SavedReport saved = std::get<SavedReport>(ParseSavedReport(json, "a.json"));
  std::ostringstream out;
  RenderReportJson(Merge({{"a.json", saved.report}}, {"b.json cannot be read"}, {1, "db-7"}), out);
  return out.str();
}

std::string Audit(const std::string& hostile) {
  std::ostringstream out;
  RenderAuditJson(ExampleAudit(hostile), out);
  return out.str();
}

void WriteSeeds(const std::filesystem::path& corpus) {
  const auto write = [&](const std::string& target, const std::string& name,
                         const std::string& bytes) {
    std::filesystem::create_directories(corpus / target);
    WriteFile(corpus / target / name, bytes);
  };
  write("ledger", "example", Small(ExampleLedger()));
  write("ledger", "child", Small(ExampleChildLedger()));
  write("ledger", "hostile", Small(HostileLedger()));
  write("ledger", "busy", Small(BusyLedger()));
  write("ledger", "empty", Small(LedgerBuilder()));

  MemoryBoard board;
  FillExample(&board);
  write("board", "example", Small(board));
  MemoryBoard process_board;
  FillProcessExample(&process_board);
  write("board", "process", Small(process_board));

  const std::string report = ReportOf(Small(ExampleLedger()));
  write("saved_report", "report", report);
  write("saved_report", "hostile", ReportOf(Small(HostileLedger())));
  write("saved_report", "merged", Merged(report));
  write("saved_report", "audit", Audit(""));
  write("saved_report", "audit-hostile", Audit(kHostile));

  write("suppressions", "all",
        "# known\n\nleak:OpenAuditLog\nleak:/vendor/*/pool.py$\ndbname:^template1$\n"
        "leak:^a*b*$\nleak:a**b\n");
  write("suppressions", "bad", "leak:Open\nrace:Open\n");
  write("suppressions", "hostile", "leak:" + kHostile + "\n");

  write("configuration", "settings",
        "service = \"orders\"\nlimit = 20\non_limit = \"wait\"\nwait_timeout = \"5s\"\n"
        "stack_depth = 32\nscript_frames = true\nlog = \"/var/log/pqleash.log\"\n"
        "log_level = \"warn\"\nlog_format = \"json\"\nconnections = 4096\n");
  write("configuration", "caps",
        "[[cap]]\nname = \"billing\"\nlimit = 50\non_limit = \"wait\"\nwait_timeout = \"5s\"\n"
        "scope = \"service\"\ndbname = \"billing*\"\nuser = \"app\"\n\n[[pace]]\n"
        "name = \"storm\"\nrate = \"50/s\"\nburst = 10\non_server_full = \"backoff\"\n");
  write("configuration", "variables",
        std::string("limit = 1\n\0LIMIT=20\nON_LIMIT=reject\nWAIT_TIMEOUT=250ms\nSERVICE=x\n"
                    "DIR=/run/x\nLOG=stderr\nHOLD_AT_EXIT=5s\nTAG_APPLICATION_NAME=1\n",
                    117));
  write("configuration", "serve",
        "listen = \"127.0.0.1:9187\"\ninterval = \"10s\"\non_finding = \"logger x\"\ntop = 20\n");
  write("configuration", "bad", "limit = -1\nlimt = 3\n[[cap]]\n[[[cap]]\nx = \"\\u0000\"\n");

  write("request", "metrics",
        "GET /metrics?x=1 HTTP/1.1\r\nHost: localhost:9187\r\nAuthorization: Bearer s3cr3t\r\n"
        "Accept: */*\r\nUser-Agent: Prometheus/2\r\nRange: bytes=0-\r\n\r\n");
  write("request", "report",
        "GET /api/report HTTP/1.0\nhost: 127.0.0.1\n"
        "authorization: Basic c2hvcDpwYXNzIHdvcmQ=\n\n");
  write("request", "page", "HEAD /%61pp.js HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
  write("request", "healthz", "POST /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
  write("request", "credentials", "# who\nbasic shop:pass word\nbearer s3cr3t\n");
  write("request", "address", "[::1]:9187");
}

}  // namespace
}  // namespace pqleash::reporter

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  try {
    pqleash::reporter::WriteSeeds(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fuzz_seeds: %s\n", error.what());
    return 1;
  }
}
