// SPDX-License-Identifier: Apache-2.0
//
// The answer to 'whose is this backend?', as plain values.

#ifndef PQLEASH_REPORTER_REPORT_WHOIS_H_
#define PQLEASH_REPORTER_REPORT_WHOIS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/report/report.h"
#include "reporter/server/join.h"
#include "reporter/server/server_report.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// A connection whose backend has that pid, on whatever server.
struct WhoisMatch {
  ReportProcess process;
  ReportConnection connection;
  ReportCallSite call_site;  // without its connections
  // Whether it is the backend that the server lists; no value: no server was asked, or it has none.
  std::optional<Fit> fit;
};

struct WhoisServer {
  ServerAddress address;
  ServerSettings settings;
  bool backends_known = false;
  std::optional<ServerBackend> backend;  // no value: the server has none of that pid
  std::vector<std::string> notes;        // sentences without a full stop: what is missing
};

struct Whois {
  uint64_t generated_realtime_ns = 0;
  std::string host;
  int32_t backend_pid = 0;
  uint64_t ledgers = 0;             // that were looked at
  uint64_t connections = 0;         // of these, that are open
  std::vector<WhoisMatch> matches;  // the likeliest first
  std::optional<WhoisServer> server;
  std::vector<std::string> incomplete;  // a sentence each: what could not be read
};

// Leaves in `snapshots` no more than the connections with that backend, and drops those without
// any. Returns the number of connections there were. Pure.
uint64_t KeepBackend(int32_t backend_pid, std::vector<Snapshot>* snapshots);

// Adds to `whois` what `report`, which was made of `snapshots` after KeepBackend, says of that
// backend, and the server's side where `view` is not nullptr. Pure.
void AddMatches(const Report& report, const std::vector<Snapshot>& snapshots,
                const ServerView* view, Whois* whois);

// Why there may be no match. One sentence without a full stop. `root`: the ledgers of all users
// were looked at.
std::string WhyNoMatch(const Whois& whois, bool root);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REPORT_WHOIS_H_
