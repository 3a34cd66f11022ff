// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/search.h"

#include <exception>
#include <utility>

#include "reporter/observe/collect.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/words/diagnose.h"

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

MemorySearch::MemorySearch(std::string directory, std::optional<std::chrono::nanoseconds> interval)
    : directory_(std::move(directory)), interval_(interval) {
  if (interval_) thread_ = std::thread([this] { Work(); });
}

MemorySearch::~MemorySearch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool MemorySearch::IsStopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void MemorySearch::Work() {
  for (;;) {
    try {
      Search();
    } catch (const std::exception& error) {
      Diagnose(std::string("serve: the search for lost connections failed: ") + error.what());
    }
    std::unique_lock lock(mutex_);
    if (stop_.wait_for(lock, *interval_, [this] { return stopping_; })) return;
  }
}

void MemorySearch::Search() {
  const auto begun = Clock::now();
  Selection selection;
  selection.directory = directory_;
  Collected all = Collect(selection);
  std::map<std::string, Verdicts> verdicts;
  for (Snapshot& snapshot : all.snapshots) {
    if (IsStopping()) return;
    Collected one;
    one.snapshots.push_back(std::move(snapshot));
    // What could not be done is in the verdicts: such a connection is judged with less certainty.
    LookForLost({}, &one, nullptr);
    const Snapshot& searched = one.snapshots.front();
    for (size_t i = 0; i < searched.connections.size(); ++i) {
      const ConnectionReach& reach = ReachOf(one.reachability.front(), i);
      if (!IsOutOfReach(reach)) continue;
      const Connection& connection = searched.connections[i];
      verdicts[searched.process.ledger][connection.handle] = {connection.opened_ns,
                                                              LastUseNs(connection), reach};
    }
  }
  const std::lock_guard lock(mutex_);
  verdicts_ = std::move(verdicts);
  seconds_ = std::chrono::duration<double>(Clock::now() - begun).count();
}

std::vector<Reachability> MemorySearch::VerdictsFor(const std::vector<Snapshot>& snapshots) const {
  const std::lock_guard lock(mutex_);
  std::vector<Reachability> result(snapshots.size());
  for (size_t s = 0; s < snapshots.size(); ++s) {
    const auto process = verdicts_.find(snapshots[s].process.ledger);
    if (process == verdicts_.end()) continue;
    const std::vector<Connection>& connections = snapshots[s].connections;
    result[s].connections.resize(connections.size());
    for (size_t i = 0; i < connections.size(); ++i) {
      const auto lost = process->second.find(connections[i].handle);
      // The address may be another connection's by now; and what was used is not lost.
      if (lost != process->second.end() && lost->second.opened_ns == connections[i].opened_ns &&
          lost->second.last_use_ns == LastUseNs(connections[i])) {
        result[s].connections[i] = lost->second.reach;
      }
    }
  }
  return result;
}

std::optional<double> MemorySearch::Seconds() const {
  const std::lock_guard lock(mutex_);
  return seconds_;
}

}  // namespace pqleash::reporter
