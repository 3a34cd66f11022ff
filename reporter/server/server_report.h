// SPDX-License-Identifier: Apache-2.0
//
// The server's side of a report, as plain values: slots, and backends with the code that opened
// them.

#ifndef PQLEASH_REPORTER_SERVER_SERVER_REPORT_H_
#define PQLEASH_REPORTER_SERVER_SERVER_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/findings/finding.h"
#include "reporter/server/join.h"
#include "reporter/server/server_view.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// max = superuser_reserved + reserved + free + used, but for slots beyond: `free` is what a role
// without privileges may still take, and 0 where others have gone into the reserved ones.
struct ServerSlots {
  uint64_t max = 0;
  uint64_t superuser_reserved = 0;
  uint64_t reserved = 0;
  uint64_t used = 0;  // ours + others + unknown + own
  uint64_t free = 0;
  uint64_t ours = 0;
  uint64_t others = 0;
  uint64_t unknown = 0;
  uint64_t own = 0;  // 1: that of the report itself
};

struct ServerBackend {
  Backend backend;
  Ownership ownership = Ownership::kOthers;
  std::vector<int32_t> blocks;  // pids that wait for it
  // By the server's clock; no value: not known, or there is none.
  std::optional<uint64_t> age_ns;
  std::optional<uint64_t> state_age_ns;
  std::optional<uint64_t> transaction_age_ns;
  std::optional<uint64_t> idle_in_transaction_ns;
  std::optional<uint64_t> query_age_ns;  // since the last query began
  // Of kOurs alone: whose connection it is.
  int32_t process_pid = 0;
  std::string service;
  Life life = Life::kUnknown;
  uint64_t call_site = 0;  // id
  std::string opened_by;   // 'function (file:line)'; empty: no stack
};

struct ServerReport {
  ServerAddress address;
  ServerSettings settings;
  bool backends_known = false;  // false: slots in use and backends are not
  ServerSlots slots;
  uint64_t hidden = 0;                  // backends whose state our role may not see
  std::vector<ServerBackend> backends;  // most telling first
  uint64_t backends_left_out = 0;       // by --top
  std::vector<Unlisted> unlisted;
  std::vector<std::string> notes;  // sentences without a full stop: what is missing or odd
};

// What decides how a backend is shown.
struct ServerReportOptions {
  std::optional<uint64_t> top;
  std::vector<std::string> library_paths;  // see HeadlineFrame
  bool some_processes = false;             // the snapshots were selected: 'ours' is not all
};

// Pure. `call_sites` are the groups of `snapshots`, with their frames.
ServerReport BuildServerReport(const ServerView& view, const std::vector<Snapshot>& snapshots,
                               const std::vector<CallSiteGroup>& call_sites,
                               const ServerReportOptions& options);

// Adds to each finding 'idle-in-transaction' how many backends wait for its connections, where any
// do.
void AddWaitersAsEvidence(const ServerReport& server, std::vector<Finding>* findings);

// What a role that does not see everything is told; empty where `hidden` is 0.
std::string HiddenNote(uint64_t hidden, const std::string& user, int version);

// One backend with its ages and with who waits for it, without what ledgers know.
ServerBackend DescribeBackend(const ServerView& view, const Backend& backend);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVER_SERVER_REPORT_H_
