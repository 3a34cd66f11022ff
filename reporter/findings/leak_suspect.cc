// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/idiom.h"
#include "reporter/findings/last_taken.h"
#include "reporter/findings/left_behind.h"
#include "reporter/findings/pool.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

// 'Far below': fewer than one in ten that were opened was ever closed.
bool HardlyEverCloses(const CallSite& site) {
  return site.closed < site.opened / 10 || site.closed == 0;
}

bool Over(const Snapshot& snapshot) {
  return snapshot.process.life == Life::kEnded || snapshot.process.life == Life::kKilled;
}

using Connections = std::vector<const Connection*>;

// Connections that were used, and for the last time before the newest one was opened. A pool opens
// another only while those that it has are at work; code that has lost its connections opens
// another beside them. What was opened within a few seconds of the newest was opened with it: a
// pool that fills itself in advance, and rests, however long.
uint64_t PassedOver(const Connections& open, uint64_t fill_ns) {
  uint64_t newest = 0;
  for (const Connection* connection : open) newest = std::max(newest, connection->opened_ns);
  return static_cast<uint64_t>(
      std::count_if(open.begin(), open.end(), [&](const Connection* connection) {
        return connection->commands != 0 && LastUseNs(*connection) <= newest &&
               connection->opened_ns + fill_ns < newest;
      }));
}

// A place that never closes: all of its connections, when all have been idle for `threshold`.
Connections NeverClosed(const Snapshot& snapshot, const CallSite& site, const Connections& open,
                        uint64_t threshold) {
  if (open.empty() || !HardlyEverCloses(site)) return {};
  const bool all_idle = std::all_of(open.begin(), open.end(), [&](const Connection* connection) {
    return connection->in_call.empty() && IdleNs(*connection, snapshot.as_of_ns) >= threshold;
  });
  if (!all_idle) return {};
  const auto [oldest, newest] = std::minmax_element(
      open.begin(), open.end(),
      [](const Connection* a, const Connection* b) { return a->opened_ns < b->opened_ns; });
  // A set that is held on purpose is complete soon, and stays as it is.
  // Who asks for less than a minute asks for all that is left at this moment.
  const bool keeps_coming =
      threshold < kMinute ||
      5 * ((*newest)->opened_ns - (*oldest)->opened_ns) >= AgeNs(**oldest, snapshot.as_of_ns);
  constexpr uint64_t kFillPart = 30;  // of the time that connections are left: 10 s of 5 minutes
  const uint64_t passed_over = PassedOver(open, threshold / kFillPart);
  const bool grows =
      open.size() >= 2 && keeps_coming && 2 * passed_over >= open.size() - 1 && passed_over >= 1;
  return Over(snapshot) || grows ? open : Connections();
}

// A place that closes as a rule, and left some behind, on an error path say: those that have been
// idle for many times the life that its connections usually have, and since before it opened its
// latest one.
Connections Outlived(const Snapshot& snapshot, const CallSite& site, const Connections& open,
                     uint64_t threshold) {
  constexpr uint64_t kMinClosed = 10;  // before that there is no 'usually'
  constexpr uint64_t kManyTimes = 20;
  if (site.closed < kMinClosed) return {};
  const uint64_t idle = std::max(threshold, kManyTimes * site.UsualLifeNs());
  Connections outlived;
  std::copy_if(
      open.begin(), open.end(), std::back_inserter(outlived), [&](const Connection* connection) {
        return connection->in_call.empty() && IdleNs(*connection, snapshot.as_of_ns) >= idle &&
               LastUseNs(*connection) < site.last_ns;
      });
  return outlived.size() >= 2 || Over(snapshot) ? outlived : Connections();
}

std::string UsualLife(uint64_t life_ns) {
  if (life_ns < kMillisecond) return "less than 1 ms";
  return life_ns < kSecond ? fmt::format("{} ms", life_ns / kMillisecond) : HumanDuration(life_ns);
}

// How the place otherwise lets go of its connections, in words.
std::string Release(uint64_t opened, uint64_t closed, uint64_t life_ns) {
  if (closed == 0) return fmt::format("none of {} opened was ever closed", opened);
  if (closed < opened / 10)
    return fmt::format("only {} of {} opened were ever closed", closed, opened);
  return fmt::format("the other {} of {} opened were closed after {} as a rule", closed, opened,
                     UsualLife(life_ns / closed));
}

// What is suspected, in words and numbers.
struct Suspicion {
  std::vector<Pooled> connections;
  std::set<std::string> services;
  std::string target;    // what tells it from the service's other targets; empty: it has one
  bool grows = false;    // judged by a pool that grew, else by how long they have been idle
  bool dropped = false;  // judged by how late they are closed
  uint64_t open = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t life_ns = 0;
  uint64_t worked_with_peak = 1;
  uint64_t stuck = 0;  // nobody goes on with their transactions or answers
  uint64_t processes = 0;
};

// Those of call sites in order of their number, the most first.
std::vector<std::pair<const CallSiteGroup*, uint64_t>> SitesOf(const Suspicion& suspicion) {
  std::map<const CallSiteGroup*, uint64_t> counts;
  for (const Pooled& pooled : suspicion.connections) ++counts[pooled.group];
  std::vector<std::pair<const CallSiteGroup*, uint64_t>> sites(counts.begin(), counts.end());
  std::stable_sort(sites.begin(), sites.end(), [](const auto& a, const auto& b) {
    return std::pair(b.second, a.first->id) < std::pair(a.second, b.first->id);
  });
  return sites;
}

std::string Openers(const Observation& observation, const Suspicion& suspicion) {
  std::vector<const CallSiteGroup*> groups;
  for (const auto& [group, count] : SitesOf(suspicion)) groups.push_back(group);
  return OpenedBy(observation, groups);
}

// 'at most 2 were ever in use at once'
std::string AtOnce(const Suspicion& suspicion, const std::string& of) {
  const uint64_t needed = suspicion.worked_with_peak;
  return fmt::format("at most {}{} {} ever {} at once", needed, of, needed == 1 ? "was" : "were",
                     suspicion.stuck == 0 ? "in use" : "worked with");
}

std::string Names(const std::set<std::string>& services) {
  if (services.size() == 1) return *services.begin();
  return fmt::format("{} services", services.size());
}

LastTakenBy LastTakenOf(const Observation& observation, const Suspicion& suspicion) {
  std::vector<GroupedConnection> places;
  for (const Pooled& pooled : suspicion.connections) places.push_back(pooled.place);
  return LastTakenOf(observation, places);
}

std::string Summary(const Observation& observation, const Suspicion& suspicion,
                    const LastTakenBy& taken) {
  std::string what =
      fmt::format("{}{} {}{}", Count(suspicion.connections.size(), "connection"),
                  suspicion.target.empty() ? "" : fmt::format(" ({})", suspicion.target),
                  Openers(observation, suspicion), TakenClause(taken));
  const bool goes_on = suspicion.grows && !suspicion.dropped;  // after the comma
  if (taken && !goes_on) what.pop_back();
  const std::string release = Release(suspicion.opened, suspicion.closed, suspicion.life_ns);
  if (suspicion.dropped) {
    return fmt::format(
        "{}, each used once and dropped, and closed late and in heaps, as a garbage "
        "collector does: {}, and {}",
        what, AtOnce(suspicion, fmt::format(" of {} open there", suspicion.open)), release);
  }
  if (!suspicion.grows) {
    return fmt::format("{}: none used for {} or more, and {}", what,
                       HumanDuration(observation.thresholds.min_idle_ns), release);
  }
  const std::string stuck = suspicion.stuck == 0
                                ? std::string()
                                : fmt::format(" ({} {} inside of a transaction or an answer)",
                                              suspicion.stuck, suspicion.stuck == 1 ? "is" : "are");
  return fmt::format(
      "{} and never touched again while newer ones were opened beside them: {}{}, and {}", what,
      AtOnce(suspicion, fmt::format(" of {} open there", suspicion.open)), stuck, release);
}

// The target as far as it is needed in a sentence of few words: the first that tells it apart, and
// nothing where the openers have said it.
std::string ShortTarget(const Suspicion& suspicion, const std::string& openers) {
  const std::string first = suspicion.target.substr(0, suspicion.target.find(", "));
  return first.empty() || openers.find(first) != std::string::npos ? ""
                                                                   : fmt::format(" ({})", first);
}

std::string Sentence(const Observation& observation, const Suspicion& suspicion,
                     const LastTakenBy& taken) {
  const std::string openers = TakenOr(taken, Openers(observation, suspicion));
  if (suspicion.dropped) {
    return fmt::format(
        "Leak, not a small limit: {} uses each connection once and drops it unclosed: {} open, at "
        "most {} in use, {}",
        Names(suspicion.services), suspicion.open, suspicion.worked_with_peak, openers);
  }
  return fmt::format(
      "Leak, not a small limit: {} holds {}{}, at most {} {} at once, {} never touched again, {}",
      Names(suspicion.services), Count(suspicion.open, "connection"),
      ShortTarget(suspicion, openers), suspicion.worked_with_peak,
      suspicion.stuck == 0 ? "in use" : "worked with", suspicion.connections.size(), openers);
}

Finding Describe(const Observation& observation, const Suspicion& suspicion) {
  uint64_t longest_idle_ns = 0;
  for (const Pooled& pooled : suspicion.connections) {
    const Snapshot& snapshot = observation.snapshots[pooled.place.snapshot];
    longest_idle_ns = std::max(longest_idle_ns, IdleNs(*pooled.connection, snapshot.as_of_ns));
  }
  const auto sites = SitesOf(suspicion);
  const LastTakenBy taken = LastTakenOf(observation, suspicion);
  Finding finding;
  finding.confidence = Confidence::kLikely;
  finding.summary = Summary(observation, suspicion, taken);
  finding.call_site = sites.front().first->id;
  for (size_t i = 1; i < sites.size(); ++i) finding.other_sites.push_back(sites[i].first->id);
  finding.evidence = {InConnections("open", suspicion.connections.size()),
                      InConnections("held", suspicion.open),
                      InConnections("opened", suspicion.opened),
                      InConnections("closed", suspicion.closed),
                      InConnections("in_use_at_once_at_most", suspicion.worked_with_peak),
                      InSeconds("longest_idle", longest_idle_ns),
                      {"processes", static_cast<double>(suspicion.processes), "processes"},
                      {"places", static_cast<double>(sites.size()), ""}};
  if (suspicion.closed > 0)
    finding.evidence.push_back(InSeconds("usual_life", suspicion.life_ns / suspicion.closed));
  const Idiom idiom = IdiomOf(*sites.front().first);
  finding.advice = fmt::format(
      "find the path on which a connection that was taken here is neither closed ({}) nor given "
      "back to its pool: an early return, an exception, an object that is overwritten or kept in a "
      "container that only grows; {}",
      idiom.close, idiom.scope);
  finding.connections = suspicion.connections.size();
  finding.answer = {Answer::Verdict::kLeak, Sentence(observation, suspicion, taken)};
  AddLastTaken(observation, taken, &finding);
  return finding;
}

// -------------------------------------------------------------------------------------------------
// Pools that grew.

// Pools of one service to one target.
struct Pools {
  std::string service;
  const Target* target = nullptr;
  std::vector<const Pool*> pools;
};

std::vector<Pools> ByServiceAndTarget(const std::vector<Pool>& pools) {
  std::map<std::tuple<std::string, std::string, uint32_t, std::string, std::string, std::string>,
           Pools>
      by_name;
  for (const Pool& pool : pools) {
    const Target& target = *pool.target;
    Pools& group = by_name[{pool.snapshot->process.service, target.host, target.port, target.dbname,
                            target.user, target.application_name}];
    group.service = pool.snapshot->process.service;
    group.target = pool.target;
    group.pools.push_back(&pool);
  }
  std::vector<Pools> result;
  for (auto& [name, group] : by_name) result.push_back(std::move(group));
  return result;
}

std::string ApartFromOthers(const std::vector<Pools>& all, const Pools& one) {
  std::vector<const Target*> others;
  for (const Pools& other : all) {
    if (other.service == one.service && other.target != one.target) others.push_back(other.target);
  }
  return TargetApartFrom(*one.target, others);
}

Suspicion OfPools(const Pools& pools, LeftBehind left) {
  Suspicion suspicion;
  suspicion.connections = std::move(left.connections);
  suspicion.services = {pools.service};
  suspicion.grows = true;
  suspicion.open = left.open;
  suspicion.opened = left.opened;
  suspicion.closed = left.closed;
  suspicion.life_ns = left.closed_life_ns;
  suspicion.worked_with_peak = left.worked_with_peak;
  suspicion.stuck = left.stuck;
  suspicion.processes = left.processes;
  return suspicion;
}

std::optional<Suspicion> SuspectPools(const Pools& pools, const Thresholds& thresholds,
                                      const std::set<const Connection*>& lost) {
  for (const bool patient : {false, true}) {
    LeftBehind left;
    for (const Pool* pool : pools.pools) AddLeftBehind(*pool, thresholds, patient, lost, &left);
    if (IsLeak(left, thresholds, patient)) return OfPools(pools, std::move(left));
  }
  LeftBehind dropped;
  for (const Pool* pool : pools.pools) AddDropped(*pool, thresholds, &dropped);
  if (dropped.connections.empty()) return std::nullopt;
  Suspicion suspicion = OfPools(pools, std::move(dropped));
  suspicion.dropped = true;
  return suspicion;
}

// -------------------------------------------------------------------------------------------------
// Places that left a few, long ago, or for ever.

Suspicion SuspectPlace(const Observation& observation, const CallSiteGroup& group,
                       const std::set<const Connection*>& leave_out) {
  const Thresholds& thresholds = observation.thresholds;
  std::map<size_t, Connections> open;  // by snapshot
  std::map<const Connection*, GroupedConnection> places;
  for (const GroupedConnection& place : group.connections) {
    const Connection& connection =
        observation.snapshots[place.snapshot].connections[place.connection];
    if (!IsOpen(connection)) continue;
    open[place.snapshot].push_back(&connection);
    places[&connection] = place;
  }
  Suspicion suspicion;
  for (const CallSiteMember& member : group.members) {
    const Snapshot& snapshot = observation.snapshots[member.snapshot];
    const CallSite& site = snapshot.call_sites[member.call_site];
    const Connections& held = open[member.snapshot];
    Connections leaked = NeverClosed(snapshot, site, held, thresholds.min_idle_ns);
    if (leaked.empty()) leaked = Outlived(snapshot, site, held, thresholds.min_idle_ns);
    std::erase_if(leaked,
                  [&](const Connection* connection) { return leave_out.contains(connection); });
    if (leaked.empty()) continue;
    for (const Connection* connection : leaked)
      suspicion.connections.push_back({connection, &group, places[connection]});
    suspicion.services.insert(snapshot.process.service);
    ++suspicion.processes;
    suspicion.open += held.size();
    suspicion.opened += site.opened;
    suspicion.closed += site.closed;
    suspicion.life_ns += site.closed_life_ns;
    for (const Connection* connection : held) {
      suspicion.stuck += IsStuck(snapshot, *connection, kSecond);
    }
    suspicion.worked_with_peak += site.in_use_peak;
  }
  const uint64_t peak = suspicion.worked_with_peak - 1;
  suspicion.worked_with_peak = peak > suspicion.stuck ? peak - suspicion.stuck : 1;
  return suspicion;
}

}  // namespace

// Judged by pools that grew beside what was left, never by age alone: a pool's connections are old,
// too. What is left of places that are not pools is judged by how long it has been so.
std::vector<Finding> FindLeakSuspects(const Observation& observation) {
  std::vector<Finding> findings;
  std::set<const Connection*> known = LostOnes(observation);
  const std::vector<Pool> pools = PoolsOf(observation);
  const std::vector<Pools> grouped = ByServiceAndTarget(pools);
  for (const Pools& one : grouped) {
    std::optional<Suspicion> suspicion = SuspectPools(one, observation.thresholds, known);
    if (!suspicion) continue;
    suspicion->target = ApartFromOthers(grouped, one);
    for (const Pooled& pooled : suspicion->connections) known.insert(pooled.connection);
    findings.push_back(Describe(observation, *suspicion));
  }
  const std::set<uint64_t> judged = reporter::SitesOf(findings);
  for (const CallSiteGroup& group : observation.call_sites) {
    // 0: many places at once, which says nothing about any of them.
    if (group.id == 0 || judged.contains(group.id)) continue;
    const Suspicion suspicion = SuspectPlace(observation, group, known);
    if (!suspicion.connections.empty()) findings.push_back(Describe(observation, suspicion));
  }
  return findings;
}

}  // namespace pqleash::reporter
