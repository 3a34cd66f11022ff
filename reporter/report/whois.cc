// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/whois.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "reporter/findings/detector.h"

namespace pqleash::reporter {
namespace {

int32_t PidOf(const Process& process) {
  return process.visible_pid != 0 ? process.visible_pid : process.pid;
}

const Backend* BackendIn(const ServerView& view, int32_t pid) {
  const auto found = std::find_if(view.backends.begin(), view.backends.end(),
                                  [&](const Backend& backend) { return backend.pid == pid; });
  return found != view.backends.end() ? &*found : nullptr;
}

Fit FitIn(const ServerView& view, const Backend& backend, const std::vector<Snapshot>& snapshots,
          const ReportConnection& wanted) {
  Fit best = Fit::kNo;
  for (const Snapshot& snapshot : snapshots) {
    if (PidOf(snapshot.process) != wanted.pid) continue;
    for (const Connection& connection : snapshot.connections) {
      if (connection.handle == wanted.handle)
        best = std::max(best, FitOf(view, backend, snapshot, connection));
    }
  }
  return best;
}

const ReportProcess* ProcessIn(const Report& report, const ReportConnection& connection) {
  for (const ReportProcess& process : report.processes) {
    if (process.pid == connection.pid && process.life == connection.life) return &process;
  }
  return nullptr;
}

WhoisServer DescribeServer(const ServerView& view, const Backend* backend) {
  WhoisServer server;
  server.address = view.address;
  server.settings = view.settings;
  server.backends_known = view.backends_known;
  server.notes = view.missing;
  if (backend != nullptr) {
    server.backend = DescribeBackend(view, *backend);
    const std::string hidden =
        HiddenNote(backend->hidden ? 1 : 0, view.address.user, view.settings.version);
    if (!hidden.empty()) server.notes.push_back(hidden);
  }
  return server;
}

}  // namespace

uint64_t KeepBackend(int32_t backend_pid, std::vector<Snapshot>* snapshots) {
  uint64_t connections = 0;
  for (Snapshot& snapshot : *snapshots) {
    connections += snapshot.connections.size();
    std::erase_if(snapshot.connections, [&](const Connection& connection) {
      return connection.backend_pid != backend_pid;
    });
  }
  std::erase_if(*snapshots, [](const Snapshot& snapshot) { return snapshot.connections.empty(); });
  return connections;
}

void AddMatches(const Report& report, const std::vector<Snapshot>& snapshots,
                const ServerView* view, Whois* whois) {
  const Backend* backend = view != nullptr ? BackendIn(*view, whois->backend_pid) : nullptr;
  for (const ReportCallSite& site : report.call_sites) {
    for (const ReportConnection& connection : site.connections) {
      const ReportProcess* process = ProcessIn(report, connection);
      if (process == nullptr || connection.backend_pid != whois->backend_pid) continue;
      WhoisMatch match = {*process, connection, site, std::nullopt};
      match.call_site.connections.clear();
      if (backend != nullptr) match.fit = FitIn(*view, *backend, snapshots, connection);
      whois->matches.push_back(std::move(match));
    }
  }
  const auto rank = [](const WhoisMatch& match) {
    return std::tuple(match.fit.value_or(Fit::kNo), match.process.life == Life::kLive,
                      !match.connection.inheritance);
  };
  std::stable_sort(whois->matches.begin(), whois->matches.end(),
                   [&](const WhoisMatch& a, const WhoisMatch& b) { return rank(a) > rank(b); });
  if (view != nullptr) whois->server = DescribeServer(*view, backend);
}

std::string WhyNoMatch(const Whois& whois, bool root) {
  return fmt::format(
      "no connection with backend {} in {} with {}: its program may not be observed, may run on "
      "another host, or may connect through a pooler, which gives its clients pids of its own{}",
      whois.backend_pid, Count(whois.ledgers, "ledger"), Count(whois.connections, "connection"),
      root ? "" : "; ledgers of other users are seen by root alone");
}

}  // namespace pqleash::reporter
