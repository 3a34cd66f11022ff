// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/left_behind.h"

#include <algorithm>
#include <numeric>

namespace pqleash::reporter {
namespace {

// One may have been on its way when another came free.
constexpr uint64_t kGrown = 2;

uint64_t UsesOf(const Connection& connection) {
  return std::accumulate(connection.use_counts.begin(), connection.use_counts.end(), uint64_t{0});
}

// Whether the program closes what it opens, as a rule, so that there is a usual life.
bool ClosesMost(const Pool& pool) { return 2 * pool.closed > pool.opened; }

// Whether the program comes back to the connection.
bool IsTakenUpAgain(const Connection& connection, const Thresholds& thresholds) {
  return UsesOf(connection) >= thresholds.taken_up_again &&
         Since(LastUseNs(connection), connection.established_ns) >= thresholds.left_behind_idle_ns;
}

// Whether connections of the pool are taken up again and again: what is not, then, was not given
// back. A pool of long holders (a LISTEN session for each client) never shows that.
bool TakesUpAgain(const Pool& pool, const Thresholds& thresholds) {
  return std::any_of(pool.open.begin(), pool.open.end(), [&](const Pooled& pooled) {
    return IsTakenUpAgain(*pooled.connection, thresholds);
  });
}

// How long a connection has to be left in this pool.
uint64_t LongEnough(const Pool& pool, const Thresholds& thresholds, bool patient) {
  if (patient) {
    const bool usual = pool.closed >= thresholds.left_behind;
    return std::max(thresholds.left_for_good_ns, usual ? 2 * pool.UsualLifeNs() : 0);
  }
  return std::max(thresholds.left_behind_idle_ns,
                  ClosesMost(pool) ? thresholds.outlives_times * pool.UsualLifeNs() : 0);
}

// The rest that is usual for the pool's connections, where they come back after long rests (one for
// each tenant, say); 0 of any other pool.
uint64_t UsualRest(const Pool& pool, const Thresholds& thresholds) {
  std::vector<const Connection*> open;
  for (const Pooled& pooled : pool.open) open.push_back(pooled.connection);
  return UsualRestNs(open, pool.snapshot->as_of_ns, thresholds.left_behind_idle_ns,
                     thresholds.returned_to_know);
}

// What is opened in the first seconds of a process fills its pools.
bool FillsThePool(const Pool& pool, const Connection& connection, const Thresholds& thresholds) {
  return Since(connection.opened_ns, pool.snapshot->process.created_monotonic_ns) <
         thresholds.fill_ns;
}

// Used once, and opened by a place of which no connection was ever taken up again: it may be meant
// to be held.
std::vector<Pooled> HeldAlone(const Pool& pool, const std::vector<Pooled>& left,
                              const Thresholds& thresholds) {
  std::set<uint32_t> places;
  for (const Pooled& pooled : pool.open) {
    if (IsTakenUpAgain(*pooled.connection, thresholds)) places.insert(pooled.connection->call_site);
  }
  std::vector<Pooled> alone;
  std::copy_if(left.begin(), left.end(), std::back_inserter(alone), [&](const Pooled& pooled) {
    return UsesOf(*pooled.connection) < 2 && !places.contains(pooled.connection->call_site);
  });
  return alone;
}

// Whether these have been opened one after the other for a good part of the time that they are old:
// a set that is held on purpose is complete soon (five listeners of a daemon), and stays as it is.
bool KeepComing(const Pool& pool, const std::vector<Pooled>& alone) {
  const auto [oldest, newest] =
      std::minmax_element(alone.begin(), alone.end(), [](const Pooled& a, const Pooled& b) {
        return a.connection->opened_ns < b.connection->opened_ns;
      });
  return 5 * (newest->connection->opened_ns - oldest->connection->opened_ns) >=
         AgeNs(*oldest->connection, pool.snapshot->as_of_ns);
}

std::vector<Pooled> Candidates(const Pool& pool, const Thresholds& thresholds, bool patient,
                               const std::set<const Connection*>& leave_out) {
  const uint64_t idle = LongEnough(pool, thresholds, patient);
  std::vector<Pooled> left;
  std::copy_if(pool.open.begin(), pool.open.end(), std::back_inserter(left),
               [&](const Pooled& pooled) {
                 const Connection& connection = *pooled.connection;
                 return !leave_out.contains(&connection) && IsLeft(pool, connection, idle) &&
                        (!patient || connection.commands != 0) &&
                        !FillsThePool(pool, connection, thresholds) &&
                        GrownSince(pool, connection) >= kGrown;
               });
  const std::vector<Pooled> alone = HeldAlone(pool, left, thresholds);
  if (!alone.empty() && !ClosesMost(pool) && (!patient || !KeepComing(pool, alone))) {
    std::erase_if(left, [&](const Pooled& pooled) {
      return std::any_of(alone.begin(), alone.end(), [&](const Pooled& other) {
        return other.connection == pooled.connection;
      });
    });
  }
  if (const uint64_t rest = UsualRest(pool, thresholds); rest != 0) {
    std::erase_if(left, [&](const Pooled& pooled) {
      return LeftWhileActiveNs(pool, *pooled.connection) <= rest + rest / 2;
    });
  }
  return left;
}

// Whether the pool has grown by what is left in it: connections that live for as long as they
// happen to (sessions of people, say) leave old ones at any time, beside a number that goes up and
// down.
bool HasGrownBy(const Pool& pool, const std::vector<Pooled>& left) {
  const auto oldest = std::min_element(left.begin(), left.end(), [](const auto& a, const auto& b) {
    return LastUseNs(*a.connection) < LastUseNs(*b.connection);
  });
  return GrownSince(pool, *oldest->connection) >= std::max(left.size() / 2, pool.open.size() / 4);
}

// Whether there was a pause before most of these connects, after the one before had succeeded.
bool WithPauses(const std::vector<Pooled>& left, const Thresholds& thresholds) {
  size_t pauses = 0;
  for (size_t i = 1; i < left.size(); ++i) {
    pauses += Since(left[i].connection->opened_ns, left[i - 1].connection->established_ns) >=
              thresholds.pause_ns;
  }
  return 4 * pauses >= 3 * (left.size() - 1);
}

// Whether the pool grows at this time, and has for a while.
bool Grows(const Pool& pool, const std::vector<Pooled>& left, const Thresholds& thresholds) {
  uint64_t oldest = pool.newest_ns;
  for (const Pooled& pooled : left) oldest = std::min(oldest, pooled.connection->opened_ns);
  const uint64_t span = WithPauses(left, thresholds) ? thresholds.growth_span_with_pauses_ns
                                                     : thresholds.growth_span_ns;
  return Since(pool.snapshot->as_of_ns, pool.newest_ns) <= thresholds.growth_recent_ns &&
         pool.newest_ns - oldest >= span;
}

void Add(const Pool& pool, std::vector<Pooled> left, LeftBehind* sum) {
  for (const Pooled& pooled : left) {
    sum->moments.insert(pooled.connection->opened_ns / kSecond);
    sum->connections.push_back(pooled);
  }
  sum->open += pool.open.size();
  sum->worked_with_peak += pool.worked_with_peak;
  sum->stuck += pool.stuck;
  sum->opened += pool.opened;
  sum->closed += pool.closed;
  sum->closed_life_ns += pool.closed_life_ns;
  ++sum->processes;
}

// Whole periods, one after the other, the last of which was over `ago` periods ago; empty: the
// process is younger, or rested in one of them.
std::vector<HistoryPeriod> FourPeriods(const Snapshot& snapshot, uint64_t ago) {
  constexpr uint64_t kPeriods = 4;
  const uint64_t now = snapshot.as_of_ns / kHistoryPeriodNs;
  std::vector<HistoryPeriod> periods;
  for (const HistoryPeriod& happened : snapshot.history) {
    if (happened.period + ago < now && happened.period + ago + kPeriods >= now)
      periods.push_back(happened);
  }
  return periods.size() == kPeriods ? periods : std::vector<HistoryPeriod>();
}

// Opened at an even pace, and closed in heaps.
bool ClosesInHeaps(const std::vector<HistoryPeriod>& periods, const Thresholds& thresholds) {
  if (periods.empty()) return false;
  const auto [least, most] =
      std::minmax_element(periods.begin(), periods.end(),
                          [](const auto& a, const auto& b) { return a.opened < b.opened; });
  if (least->opened < thresholds.left_behind || 2 * least->opened < most->opened) return false;
  const auto [fewest, heap] =
      std::minmax_element(periods.begin(), periods.end(),
                          [](const auto& a, const auto& b) { return a.closed < b.closed; });
  return 4 * fewest->closed <= least->opened && 2 * heap->closed >= 3 * least->opened;
}

constexpr uint64_t kPeriodsBack = 6;

// Worked with once, soon after it was opened.
bool WasUsedOnce(const Connection& connection) {
  constexpr uint64_t kOnceNs = 2 * kSecond;
  return connection.commands != 0 &&
         Since(LastUseNs(connection), connection.established_ns) <= kOnceNs;
}

}  // namespace

void AddDropped(const Pool& pool, const Thresholds& thresholds, LeftBehind* sum) {
  if (pool.closed < thresholds.closed_to_know || TakesUpAgain(pool, thresholds)) return;
  // A collector comes when it likes: what it did a minute ago is what the program still does.
  std::vector<HistoryPeriod> periods;
  for (uint64_t ago = 0; ago <= kPeriodsBack && !ClosesInHeaps(periods, thresholds); ++ago)
    periods = FourPeriods(*pool.snapshot, ago);
  if (!ClosesInHeaps(periods, thresholds)) return;
  uint32_t open_peak = 0;
  for (const HistoryPeriod& happened : periods) open_peak = std::max(open_peak, happened.open_peak);
  if (open_peak < thresholds.dropped_times * pool.worked_with_peak) return;
  std::vector<Pooled> idle;
  std::copy_if(pool.open.begin(), pool.open.end(), std::back_inserter(idle),
               [&](const Pooled& pooled) { return IsLeft(pool, *pooled.connection, kSecond); });
  const auto once = std::count_if(idle.begin(), idle.end(), [](const Pooled& pooled) {
    return WasUsedOnce(*pooled.connection);
  });
  if (idle.empty() || 5 * once < 4 * static_cast<ptrdiff_t>(idle.size())) return;
  Add(pool, std::move(idle), sum);
}

void AddLeftBehind(const Pool& pool, const Thresholds& thresholds, bool patient,
                   const std::set<const Connection*>& leave_out, LeftBehind* sum) {
  // A place that needed all of them at once has them for that.
  if (2 * pool.worked_with_peak > pool.open.size()) return;
  const bool closes = ClosesMost(pool) && pool.closed >= thresholds.closed_to_know;
  if (!patient && !closes && !TakesUpAgain(pool, thresholds)) return;
  const std::vector<Pooled> left = Candidates(pool, thresholds, patient, leave_out);
  if (left.empty() || !HasGrownBy(pool, left)) return;
  if (!patient && !Grows(pool, left, thresholds)) return;
  Add(pool, left, sum);
}

bool IsLeak(const LeftBehind& left, const Thresholds& thresholds, bool patient) {
  std::set<int32_t> threads;
  uint64_t never_used = 0;
  for (const Pooled& pooled : left.connections) {
    threads.insert(pooled.connection->tid);
    never_used += pooled.connection->commands == 0;
  }
  const size_t count = left.connections.size();
  uint64_t enough = thresholds.left_behind;
  if (count > 1 && threads.size() == count)
    enough = thresholds.left_behind_of_threads;
  else if (2 * never_used > count)
    enough = thresholds.left_behind_never_used;
  return count >= enough &&
         left.moments.size() >= (patient ? thresholds.left_moments : thresholds.growth_moments);
}

}  // namespace pqleash::reporter
