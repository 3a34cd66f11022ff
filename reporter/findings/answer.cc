// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "reporter/findings/exhaustion.h"
#include "reporter/findings/service.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

// A process is judged from this age on, and growth when it is as old: by then each rule has seen as
// much as it asks for (Thresholds::left_for_good_ns, two whole periods of the history).
constexpr uint64_t kEarlyNs = 30 * kSecond;
constexpr size_t kGrowthPeriods = 6;

double PerSecond(uint64_t per_period) {
  return static_cast<double>(per_period) * 1e9 / static_cast<double>(kHistoryPeriodNs);
}

// The youngest process with connections, if it is too young for a verdict.
std::optional<Answer> TooYoung(const Observation& observation) {
  const Snapshot* youngest = nullptr;
  const auto age = [](const Snapshot& snapshot) {
    return Since(snapshot.as_of_ns, snapshot.process.created_monotonic_ns);
  };
  for (const Snapshot& snapshot : observation.snapshots) {
    if (!MayLive(snapshot.process.life) || snapshot.totals.open == 0) continue;
    if (youngest == nullptr || age(snapshot) < age(*youngest)) youngest = &snapshot;
  }
  if (youngest == nullptr || age(*youngest) >= kEarlyNs) return std::nullopt;
  return Answer{Answer::Verdict::kEarly,
                fmt::format("Too early to judge: process {} of {} connected for the first time {} "
                            "ago; ask again in {}",
                            youngest->process.visible_pid != 0 ? youngest->process.visible_pid
                                                               : youngest->process.pid,
                            youngest->process.service, HumanDuration(age(*youngest)),
                            HumanDuration(kEarlyNs - age(*youngest) + kSecond))};
}

// How long all open connections of a service have rested; 0: one is in use, or none is open.
uint64_t RestedNs(const Observation& observation, const Service& service) {
  uint64_t least = UINT64_MAX;
  for (const size_t process : service.processes) {
    const Snapshot& snapshot = observation.snapshots[process];
    for (const Connection& connection : snapshot.connections) {
      if (!IsOpen(connection)) continue;
      least = std::min(least, IdleNs(connection, snapshot.as_of_ns));
    }
  }
  return least != UINT64_MAX ? least : 0;
}

// A service that has grown within the last minute: whether it will come back to what it opened is
// not known yet.
std::optional<Answer> Undecided(const Observation& observation) {
  const uint64_t patience = observation.thresholds.left_for_good_ns;
  for (const Service& service : ServicesOf(observation)) {
    const Activity recent = Recent(service, kGrowthPeriods);
    if (service.open == 0 || recent.opened <= recent.closed) continue;
    const uint64_t rested = RestedNs(observation, service);
    // At rest, and opened at once: a pool that has filled itself looks like that, too.
    const std::string when =
        rested >= patience
            ? fmt::format(
                  "all have rested for {}, as a filled pool does; a leak shows when more "
                  "are opened beside them",
                  HumanDuration(rested))
            : fmt::format("what becomes of them shows when they have rested for {}",
                          HumanDuration(patience));
    return Answer{
        Answer::Verdict::kEarly,
        fmt::format("Too early to judge: {} opened {} in the last {} and closed {}; {}",
                    Named(service), Count(recent.opened, "connection"),
                    HumanDuration(RecentNs(service, kGrowthPeriods)), recent.closed, when)};
  }
  return std::nullopt;
}

// Connections that were opened, tried and never used since: nothing shows whether they are needed.
std::optional<Answer> Untried(const Observation& observation) {
  const Thresholds& thresholds = observation.thresholds;
  for (const Service& service : ServicesOf(observation)) {
    if (service.open < thresholds.left_behind) continue;
    const uint64_t rested = RestedNs(observation, service);
    bool used = rested < thresholds.left_for_good_ns;
    for (const size_t process : service.processes) {
      for (const Connection& connection : observation.snapshots[process].connections) {
        used |= IsOpen(connection) &&
                connection.last_activity_ns > connection.established_ns + thresholds.fill_ns;
      }
    }
    if (used) continue;
    return Answer{
        Answer::Verdict::kEarly,
        fmt::format("Nothing to judge by: {} opened {} and used them in the first moments "
                    "alone, {} ago",
                    Named(service), Count(service.open, "connection"), HumanDuration(rested))};
  }
  return std::nullopt;
}

// Connects that fail, for less than it takes to know that they go on to.
std::optional<Answer> Failing(const Observation& observation) {
  constexpr size_t kPeriods = 2;
  for (const Service& service : ServicesOf(observation)) {
    const Activity recent = Recent(service, kPeriods);
    if (recent.failed < observation.thresholds.failing_connects || recent.failed < recent.opened)
      continue;
    return Answer{Answer::Verdict::kEarly,
                  fmt::format("Too early to judge: {} of {} failed in the last {}, and {} "
                              "succeeded; whether that goes on shows in {}",
                              Count(recent.failed, "connect"), Named(service),
                              HumanDuration(RecentNs(service, kPeriods)), recent.opened,
                              HumanDuration(2 * kHistoryPeriodNs))};
  }
  return std::nullopt;
}

// Handles whose end libpq has seen, put down by the program a short while ago.
std::optional<Answer> Broken(const Observation& observation) {
  const uint64_t patience = observation.thresholds.min_age_ns;
  for (const Snapshot& snapshot : observation.snapshots) {
    if (!MayLive(snapshot.process.life)) continue;
    const auto broken = static_cast<uint64_t>(std::count_if(
        snapshot.connections.begin(), snapshot.connections.end(), [&](const Connection& one) {
          return one.state == ConnectionState::kBroken && one.in_call.empty() &&
                 IdleNs(one, snapshot.as_of_ns) < patience;
        }));
    if (broken == 0) continue;
    return Answer{Answer::Verdict::kEarly,
                  fmt::format("Too early to judge: the server has closed {} of {}; whether the "
                              "program lets go of {} shows within {}",
                              Count(broken, "connection"), snapshot.process.service,
                              broken == 1 ? "it" : "them", HumanDuration(patience))};
  }
  return std::nullopt;
}

// More work than a minute ago, and hardly a connection free for it: whether there are enough is not
// known yet.
std::optional<Answer> Rising(const Observation& observation) {
  const Thresholds& thresholds = observation.thresholds;
  for (const Service& service : ServicesOf(observation)) {
    const Level uses = LevelOf(service, &Activity::uses);
    const Activity recent = Recent(service, 2);
    if (!uses.known || service.open < thresholds.saturated_connections ||
        5 * recent.in_use_peak < 4 * service.open || recent.uses < thresholds.spike_uses) {
      continue;
    }
    const auto raised =
        static_cast<uint64_t>(static_cast<double>(uses.usual) * thresholds.spike_times_full);
    const size_t lately = std::min(kGrowthPeriods, service.periods.size());
    const bool risen = uses.largest >= raised &&
                       std::any_of(service.periods.end() - static_cast<ptrdiff_t>(lately),
                                   service.periods.end() - 1,
                                   [&](const Activity& period) { return period.uses < raised; });
    if (!risen) continue;
    return Answer{Answer::Verdict::kEarly,
                  fmt::format("Too early to judge: {} has more to do since less than a minute ago "
                              "({:.1f} commands a second, and {:.1f} before), and had {} of its {} "
                              "in use at once; ask again in {}",
                              Named(service), PerSecond(uses.largest), PerSecond(uses.usual),
                              recent.in_use_peak, Count(service.open, "connection"),
                              HumanDuration(2 * kHistoryPeriodNs))};
  }
  return std::nullopt;
}

// What processes that have ended did not close: a service that is restarted closes nothing, and
// whether a program that ends should have is for an audit to say.
std::string LeftToInterpreters(const Observation& observation) {
  uint64_t left = 0;
  for (const Snapshot& snapshot : observation.snapshots) {
    left += static_cast<uint64_t>(std::count_if(
        snapshot.connections.begin(), snapshot.connections.end(), [](const Connection& connection) {
          return connection.state == ConnectionState::kLeftOpen;
        }));
  }
  if (left == 0) return {};
  return fmt::format("; {} left to an interpreter to close when the program ended",
                     left == 1 ? "1 was" : fmt::format("{} were", left));
}

Answer NothingSpeaksForIt(const Observation& observation) {
  uint64_t open = 0;
  uint64_t in_use = 0;
  uint64_t peak = 0;
  for (const Snapshot& snapshot : observation.snapshots) {
    if (!MayLive(snapshot.process.life)) continue;
    open += snapshot.totals.open;
    in_use += snapshot.totals.in_use;
    // Peaks of several processes need not have been at one time: the largest alone is known.
    peak = std::max(peak, snapshot.totals.in_use_peak);
  }
  if (open == 0)
    return {Answer::Verdict::kNone,
            "No leak, and no limit that is too small: no connection is open" +
                LeftToInterpreters(observation)};
  return {Answer::Verdict::kNone,
          fmt::format("No leak, and no limit that is too small: {} {} open, {} in use now and at "
                      "most {} at once{}",
                      Count(open, "connection"), open == 1 ? "is" : "are", in_use, peak,
                      observation.snapshots.size() > 1 ? " in one process" : "")};
}

Answer Judge(const Observation& observation, const std::vector<Finding>& findings) {
  if (observation.snapshots.empty())
    return {Answer::Verdict::kUnobserved,
            "Nothing was looked at: no process has written a ledger here"};
  if (!findings.empty()) {
    const Finding& first = findings.front();
    if (first.answer) return *first.answer;
    return {Answer::Verdict::kOther,
            fmt::format("No leak and no limit, but {}: {}", first.kind, first.summary)};
  }
  if (const auto early = TooYoung(observation)) return *early;
  for (const auto& judge : {Undecided, Untried, Failing, Broken, Rising}) {
    if (const auto early = judge(observation)) return *early;
  }
  return NothingSpeaksForIt(observation);
}

}  // namespace

std::string InFewWords(const std::string& sentence) {
  constexpr size_t kTooShort = kMaxWords / 3;  // 'Leak' alone answers nothing
  size_t words = 0;
  size_t clause_end = 0;  // of the last one that fits
  int depth = 0;
  bool quoted = false;
  for (size_t at = 0; at < sentence.size(); ++at) {
    const char c = sentence[at];
    if (c == '"') quoted = !quoted;
    if (c == '(' || c == '[' || c == '<') ++depth;
    if ((c == ')' || c == ']' || c == '>') && depth > 0) --depth;
    const bool ends_word = c != ' ' && (at + 1 == sentence.size() || sentence[at + 1] == ' ');
    if (!ends_word) continue;
    if (++words > kMaxWords) {
      if (clause_end != 0) return sentence.substr(0, clause_end);
      return sentence.substr(0, sentence.rfind(' ', at)) + "...";
    }
    const bool ends_clause = (c == ',' || c == ';' || c == ':') && depth == 0 && !quoted;
    if (ends_clause && words >= kTooShort) clause_end = at;
  }
  return sentence;
}

Answer AnswerOf(const Observation& observation, const std::vector<Finding>& findings) {
  Answer answer = Judge(observation, findings);
  answer.sentence = InFewWords(answer.sentence);
  return answer;
}

}  // namespace pqleash::reporter
