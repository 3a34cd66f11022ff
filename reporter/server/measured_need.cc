// SPDX-License-Identifier: Apache-2.0

#include "reporter/server/measured_need.h"

namespace pqleash::reporter {
namespace {

bool InUse(const Connection& connection) {
  return !connection.in_call.empty() || connection.transaction == Transaction::kActive ||
         connection.transaction == Transaction::kOpen ||
         connection.transaction == Transaction::kFailed;
}

// The one place that knows where the number comes from. A ledger does not keep the most that was in
// use at once: what is in use now is the least that is needed. Once Snapshot::totals has the peak,
// it is to be taken from there, with at_peak set.
void AddConnection(const Connection& connection, MeasuredNeed* need) {
  need->in_use += InUse(connection);
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
    for (const Connection& connection : snapshot.connections) {
      const Target& target = snapshot.targets[connection.target];
      if (connection.state != ConnectionState::kEstablished || target.dbname != dbname ||
          target.user != user) {
        continue;
      }
      holds = true;
      AddConnection(connection, &need);
    }
    if (holds) needs.push_back(need);
  }
  return needs;
}

}  // namespace pqleash::reporter
