// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/connection_times.h"

namespace pqleash::reporter {

uint64_t LastSignOfLifeNs(const Snapshot& snapshot) {
  const Process& process = snapshot.process;
  if (process.ended_ns != 0) return process.ended_ns;
  uint64_t latest = std::max(process.created_monotonic_ns, process.ending_ns);
  for (const CallSite& site : snapshot.call_sites) latest = std::max(latest, site.last_ns);
  for (const Connection& connection : snapshot.connections) {
    latest = std::max(latest, LastUseNs(connection));
  }
  return latest;
}

void SetLife(Life life, int32_t visible_pid, uint64_t now_ns, Snapshot* snapshot) {
  snapshot->process.life = life;
  snapshot->process.visible_pid = visible_pid;
  // Not knowing whether a process lives is no reason to let its connections grow older.
  snapshot->as_of_ns = life == Life::kLive ? now_ns : LastSignOfLifeNs(*snapshot);
  // A process that goes on without its interpreter has nothing to do with them any more.
  if (MayLive(life)) {
    std::erase_if(snapshot->connections, [](const Connection& connection) {
      return connection.state == ConnectionState::kLeftOpen;
    });
  }
  // A dead process may have closed connections after its last sign of life: that is not told apart.
  const uint64_t last = snapshot->as_of_ns / kHistoryPeriodNs;
  const uint64_t beyond = life == Life::kLive ? 0 : kHistoryPeriods;
  std::erase_if(snapshot->history, [&](const HistoryPeriod& record) {
    return record.period > last + beyond || record.period + kHistoryPeriods <= last;
  });
}

}  // namespace pqleash::reporter
