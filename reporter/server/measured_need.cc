// SPDX-License-Identifier: Apache-2.0

#include "reporter/server/measured_need.h"

namespace pqleash::reporter {
namespace {

bool InUse(const Connection& connection) {
  return !connection.in_call.empty() || connection.transaction == Transaction::kActive ||
         IsIdleInside(connection.transaction);
}

}  // namespace

std::vector<MeasuredNeed> MeasureNeed(const std::vector<Snapshot>& snapshots,
                                      const std::string& service, const std::string& dbname,
                                      const std::string& user) {
  std::vector<MeasuredNeed> needs;
  for (const Snapshot& snapshot : snapshots) {
    const Process& process = snapshot.process;
    if (process.life != Life::kLive || (!service.empty() && process.service != service)) continue;
    MeasuredNeed need;
    need.service = process.service;
    need.pid = process.visible_pid != 0 ? process.visible_pid : process.pid;
    need.uid = process.uid;
    bool holds = false;
    bool holds_others = false;
    for (const Connection& connection : snapshot.connections) {
      const Target& target = snapshot.targets[connection.target];
      if (connection.state != ConnectionState::kEstablished) continue;
      if (target.dbname != dbname || target.user != user) {
        holds_others = true;
        continue;
      }
      holds = true;
      need.in_use += InUse(connection);
    }
    // The ledger keeps the peak of the process, whatever its connections lead to.
    if (!holds_others) need.peak = snapshot.totals.in_use_peak;
    if (holds) needs.push_back(need);
  }
  return needs;
}

}  // namespace pqleash::reporter
