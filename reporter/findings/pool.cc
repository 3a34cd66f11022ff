// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kUnreadNs = kMinute;

// Of a use that has begun and not ended: in a transaction, or with an answer that nobody reads.
bool IsStuckIn(const Pool& pool, const Connection& connection) {
  return IsStuck(*pool.snapshot, connection, kSecond) ||
         (connection.transaction == Transaction::kActive && IsLeft(pool, connection, kSecond));
}

void Finish(Pool* pool) {
  std::stable_sort(pool->open.begin(), pool->open.end(), [](const Pooled& a, const Pooled& b) {
    return a.connection->opened_ns < b.connection->opened_ns;
  });
  std::set<uint32_t> sites;
  for (const Pooled& pooled : pool->open) {
    pool->stuck += IsStuckIn(*pool, *pooled.connection);
    pool->newest_ns = std::max(pool->newest_ns, pooled.connection->opened_ns);
    sites.insert(pooled.connection->call_site);
  }
  uint64_t peak = 0;
  for (const uint32_t number : sites) {
    const CallSite& site = pool->snapshot->call_sites[number];
    pool->opened += site.opened;
    pool->closed += site.closed;
    pool->closed_life_ns += site.closed_life_ns;
    peak += site.in_use_peak;
  }
  peak = std::min(peak, std::max<uint64_t>(pool->snapshot->totals.in_use_peak, 1));
  pool->worked_with_peak = peak > pool->stuck ? peak - pool->stuck : 1;
}

}  // namespace

std::vector<Pool> PoolsOf(const Observation& observation) {
  std::map<std::pair<size_t, uint32_t>, Pool> pools;  // by process and target
  for (const CallSiteGroup& group : observation.call_sites) {
    if (group.id == 0) continue;
    for (const GroupedConnection& place : group.connections) {
      const Snapshot& snapshot = observation.snapshots[place.snapshot];
      const Connection& connection = snapshot.connections[place.connection];
      if (!IsOpen(connection)) continue;
      Pool& pool = pools[{place.snapshot, connection.target}];
      pool.snapshot = &snapshot;
      pool.target = &snapshot.targets[connection.target];
      pool.open.push_back({&connection, &group, place});
    }
  }
  std::vector<Pool> result;
  for (auto& [key, pool] : pools) {
    Finish(&pool);
    result.push_back(std::move(pool));
  }
  return result;
}

bool IsLeft(const Pool& pool, const Connection& connection, uint64_t idle_ns) {
  if (!connection.in_call.empty()) return false;
  const bool unread = connection.transaction == Transaction::kActive;
  return IdleNs(connection, pool.snapshot->as_of_ns) >=
         (unread ? std::max(idle_ns, kUnreadNs) : idle_ns);
}

uint64_t GrownSince(const Pool& pool, const Connection& connection) {
  const uint64_t last = LastUseNs(connection);
  const auto newer = static_cast<uint64_t>(
      std::count_if(pool.open.begin(), pool.open.end(),
                    [&](const Pooled& other) { return other.connection->opened_ns > last; }));
  const std::vector<HistoryPeriod>& history = pool.snapshot->history;
  // What lies before the history is not known: of a connection that was left so long ago the newer
  // ones alone count.
  const uint64_t now = pool.snapshot->as_of_ns / kHistoryPeriodNs;
  if (history.empty() || last / kHistoryPeriodNs + kHistoryPeriods <= now) return newer;
  uint64_t opened = 0;
  uint64_t closed = 0;
  for (const HistoryPeriod& happened : history) {
    if (happened.period <= last / kHistoryPeriodNs) continue;
    opened += happened.opened;
    closed += happened.closed;
  }
  // What was opened in the period of the last use is not told apart: those that are open still.
  opened += static_cast<uint64_t>(
      std::count_if(pool.open.begin(), pool.open.end(), [&](const Pooled& other) {
        return other.connection->opened_ns > last &&
               other.connection->opened_ns / kHistoryPeriodNs == last / kHistoryPeriodNs;
      }));
  return std::min(newer, opened > closed ? opened - closed : 0);
}

uint64_t LeftWhileActiveNs(const Pool& pool, const Connection& connection) {
  const uint64_t last = LastUseNs(connection) / kHistoryPeriodNs;
  const uint64_t now = pool.snapshot->as_of_ns / kHistoryPeriodNs;
  return kHistoryPeriodNs * static_cast<uint64_t>(std::count_if(
                                pool.snapshot->history.begin(), pool.snapshot->history.end(),
                                [&](const HistoryPeriod& happened) {
                                  return happened.period > last && happened.period < now &&
                                         happened.uses != 0;
                                }));
}

uint64_t UsualRestNs(const std::vector<const Connection*>& open, uint64_t as_of_ns,
                     uint64_t long_ns, uint64_t enough) {
  std::vector<uint64_t> rests;
  for (const Connection* connection : open) {
    if (connection->longest_rest_ns >= long_ns) rests.push_back(connection->longest_rest_ns);
  }
  if (rests.empty() || rests.size() < enough) return 0;
  const auto middle = rests.begin() + static_cast<ptrdiff_t>(rests.size() / 2);
  std::nth_element(rests.begin(), middle, rests.end());
  const uint64_t usual = *middle;
  const auto old_enough = static_cast<uint64_t>(
      std::count_if(open.begin(), open.end(), [&](const Connection* connection) {
        return AgeNs(*connection, as_of_ns) >= usual + usual / 2;
      }));
  return 2 * rests.size() >= old_enough ? usual : 0;
}

std::string TargetApartFrom(const Target& target, const std::vector<const Target*>& others) {
  const auto differs = [&](const auto& field) {
    return std::any_of(others.begin(), others.end(), [&](const Target* other) {
      return std::invoke(field, *other) != std::invoke(field, target);
    });
  };
  std::vector<std::string> words;
  if (differs(&Target::application_name))
    words.push_back(fmt::format("application_name {}", target.application_name));
  if (differs(&Target::user)) words.push_back(fmt::format("user {}", target.user));
  if (differs(&Target::dbname)) words.push_back(fmt::format("database {}", target.dbname));
  if (differs(&Target::host)) words.push_back(fmt::format("host {}", target.host));
  if (differs(&Target::port)) words.push_back(fmt::format("port {}", target.port));
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace pqleash::reporter
