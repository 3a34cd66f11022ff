// SPDX-License-Identifier: Apache-2.0
//
// What is shown, as plain values: a renderer needs nothing else. Strings are not escaped: that is a
// renderer's business.

#ifndef PQLEASH_REPORTER_REPORT_REPORT_H_
#define PQLEASH_REPORTER_REPORT_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/caps/caps_report.h"
#include "reporter/findings/finding.h"
#include "reporter/reachability/reachability.h"
#include "reporter/report/coverage.h"
#include "reporter/server/server_report.h"
#include "reporter/snapshot/snapshot.h"
#include "reporter/symbols/code_segment.h"
#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

struct ReportPeriod {
  uint64_t realtime_ns = 0;  // of its begin
  HistoryPeriod happened;
};

// The connects of a process that failed for one reason.
struct ReportFailure {
  FailureReason reason = FailureReason::kOther;
  uint64_t count = 0;
  uint64_t last_ago_ns = 0;
  std::string text;        // what server or system said of the first one; empty: not known
  uint64_t call_site = 0;  // id; of the last one; 0: not attributed
};

struct ReportProcess {
  int32_t pid = 0;  // as the reader sees it, while it lives; else as it saw itself
  std::string service;
  std::string exe;
  std::string host_name;
  std::string library_version;
  std::string ledger;
  Life life = Life::kUnknown;
  Totals totals;
  Coverage coverage;
  Attachment attachment = Attachment::kNone;
  uint64_t run_id = 0;             // 0: none
  uint64_t since_realtime_ns = 0;  // its first connect, or the attach
  uint64_t last_realtime_ns = 0;   // its end, or last sign of life; 0 while it lives
  Times times;
  std::vector<ReportPeriod> history;    // in order of time
  std::vector<ReportFailure> failures;  // by reason, of those that there were
};

// Of a connection that another process opened before a fork.
struct Inheritance {
  int32_t opener_pid = 0;  // as the opener saw itself; 0: not known
  std::string touched_by;  // libpq function of the first use; empty: not known
  uint64_t touched_site = 0;
  bool finished_here = false;
};

// Where a connection was last taken up.
struct TakenAt {
  uint64_t call_site = 0;  // id
  std::string line;        // 'order (handlers.py:42)'; empty: its stack has no line to name
};

struct ReportConnection {
  uint64_t handle = 0;
  int32_t pid = 0;
  int32_t tid = 0;
  int32_t backend_pid = 0;
  std::string service;
  std::string thread_name;
  Life life = Life::kUnknown;  // of its process
  ConnectionState state = ConnectionState::kEstablished;
  Transaction transaction = Transaction::kUnknown;
  std::string in_call;
  uint64_t in_call_ns = 0;
  Target target;
  uint64_t age_ns = 0;
  uint64_t idle_ns = 0;
  uint64_t commands = 0;
  uint32_t resets = 0;
  std::optional<TakenAt> last_taken;       // no value: not known
  std::optional<Inheritance> inheritance;  // of state kInherited alone
  std::optional<Language> closed_by;       // of state kLeftOpen alone
  bool adopted = false;                    // open before the attach, from which `age_ns` counts
  ConnectionReach reach;
};

struct ReportCallSite {
  uint64_t id = 0;            // 0: what could not be attributed
  std::vector<uint64_t> ids;  // all that the ledgers have it under, ascending: `id` is the first
  uint64_t processes = 0;
  uint64_t open = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t failed = 0;
  uint64_t peak = 0;  // of several processes: the most that can have been open at once
  uint64_t in_use = 0;
  uint64_t in_use_peak = 0;          // as `peak`
  std::optional<double> busy_share;  // of the time that its connections were held
  bool stack_truncated = false;
  bool stack_incomplete = false;
  std::optional<uint64_t> oldest_age_ns;
  std::optional<uint64_t> max_idle_ns;
  std::vector<SourceFrame> frames;            // innermost first
  std::optional<size_t> headline;             // index of the frame to name it by
  std::optional<size_t> caller;               // of the one that tells it from others of that name
  std::vector<ReportConnection> connections;  // most telling first
  uint64_t connections_left_out = 0;          // by the filter
  std::vector<std::string> hosts;             // in a report of several: where it is, by name
};

// A file that code of `frames` is in.
struct ReportModule {
  std::string path;
  std::string build_id;             // bytes; empty: it has none
  uint64_t first_address = 0;       // of the ELF file
  uint64_t size = 0;                // of what is mapped; 0: not known
  std::optional<CodeSegment> code;  // where the file is at hand
};

// What the user asked to see. Findings and counters are of everything all the same.
struct Filter {
  std::optional<uint64_t> min_age_ns;
  std::optional<uint64_t> min_idle_ns;
  std::optional<uint64_t> top;             // call sites
  std::vector<std::string> library_paths;  // globs of scripts that are not the application's
};

// A report that went into one of several.
struct ReportSource {
  std::string name;  // of the file
  std::string host;
  uint64_t generated_realtime_ns = 0;  // 0: not known
  uint64_t processes = 0;
};

// Of this host; or of several, by Merge (merged_report.h), or read back (saved_report.h): then of
// processes there is what they are and how many connections they opened and hold, and of call sites
// there are no connections.
struct Report {
  uint64_t generated_realtime_ns = 0;
  std::string host;
  bool merged = false;                // of several reports, or of none
  std::vector<ReportSource> sources;  // these
  std::vector<ReportProcess> processes;
  std::vector<ReportCallSite> call_sites;  // most suspicious first
  std::vector<ReportModule> modules;       // by path and build id, each once
  Answer answer;                           // is it a leak, or is the limit too small?
  std::vector<Finding> findings;           // most suspicious first
  std::vector<std::string> incomplete;     // a sentence each: what is missing
  Filter filter;
  uint64_t call_sites_left_out = 0;    // by the filter
  std::vector<CapsPolicy> caps;        // that hold for `processes`
  std::optional<ServerReport> server;  // where a server was asked
};

// What `ps` shows.
struct ProcessList {
  uint64_t generated_realtime_ns = 0;
  std::string host;
  std::vector<ReportProcess> processes;
  std::vector<std::string> incomplete;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REPORT_REPORT_H_
