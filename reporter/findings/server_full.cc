// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/service.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kWindow = 6;  // periods
constexpr size_t kShownPlaces = 3;

struct Holder {
  const Service* service = nullptr;
  const Place* place = nullptr;
};

// Who holds most, of all that is watched.
std::vector<Holder> HoldersOf(const std::vector<Service>& services) {
  std::vector<Holder> holders;
  for (const Service& service : services) {
    for (const Place& place : service.places) {
      if (!place.open.empty()) holders.push_back({&service, &place});
    }
  }
  std::stable_sort(holders.begin(), holders.end(), [](const Holder& a, const Holder& b) {
    return a.place->open.size() > b.place->open.size();
  });
  return holders;
}

std::string Describe(const Observation& observation, const Holder& holder) {
  const uint64_t age = Since(holder.service->as_of_ns, holder.service->since_ns);
  std::string young;
  if (age < observation.thresholds.young_ns) {
    young = fmt::format(", whose first connect was {} ago", HumanDuration(age));
  }
  return fmt::format("{} by {}{}, {}", holder.place->open.size(), Named(*holder.service), young,
                     OpenedBy(observation, *holder.place->group));
}

std::string Holds(const Observation& observation, const std::vector<Holder>& holders,
                  uint64_t open) {
  if (open == 0) return "of what is watched, nobody holds a connection";
  std::string text = fmt::format("what is watched holds {}: ", Count(open, "connection"));
  for (size_t i = 0; i < std::min(kShownPlaces, holders.size()); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : "; ", Describe(observation, holders[i]));
  }
  if (holders.size() > kShownPlaces)
    text += fmt::format("; and {} places more", holders.size() - kShownPlaces);
  return text;
}

// Connections of a place that nobody has used for a while: what fills a server within seconds is
// judged no sooner, and may be a leak all the same.
uint64_t Unused(const Place& place, const Thresholds& thresholds) {
  return static_cast<uint64_t>(
      std::count_if(place.open.begin(), place.open.end(), [&](const Held& open) {
        return open.connection->busy_since_ns == 0 &&
               IdleNs(*open.connection, open.snapshot->as_of_ns) >= thresholds.left_behind_idle_ns;
      }));
}

std::string Verdict(const Observation& observation, const std::vector<Holder>& holders) {
  if (holders.empty()) return "No leak is seen";
  const Place& place = *holders.front().place;
  const uint64_t unused = Unused(place, observation.thresholds);
  if (2 * unused <= place.open.size()) return "No leak is seen";
  return fmt::format("Too early to tell a leak from too large a limit, {} of {} unused for {}",
                     unused, Count(place.open.size(), "connection"),
                     HumanDuration(observation.thresholds.left_behind_idle_ns));
}

}  // namespace

// The server has said so ('too many clients already' and its kin). Who holds the slots is named as
// far as it is watched.
std::vector<Finding> FindServerFull(const Observation& observation) {
  const std::vector<Service> services = ServicesOf(observation);
  uint64_t refused = 0;
  uint64_t open = 0;
  uint64_t window = 0;
  std::string victims;
  for (const Service& service : services) {
    open += service.open;
    const uint64_t count = Recent(service, kWindow).server_full;
    if (count == 0) continue;
    refused += count;
    window = std::max(window, RecentNs(service, kWindow));
    victims += fmt::format("{}{}", victims.empty() ? "" : ", ", Named(service));
  }
  if (refused == 0) return {};
  const std::vector<Holder> holders = HoldersOf(services);
  const std::string said = fmt::format("the server had no slot left for {} of {} in the last {}",
                                       Count(refused, "connect"), victims, HumanDuration(window));
  Finding finding;
  finding.confidence = Confidence::kProven;
  finding.summary = fmt::format("{}; {}", said, Holds(observation, holders, open));
  if (!holders.empty() && holders.front().place->group->id != 0) {
    finding.call_site = holders.front().place->group->id;
  }
  finding.evidence = {
      InConnections("refused", refused),
      {"refused_per_second",
       window == 0 ? 0 : ToTenths(static_cast<double>(refused) * 1e9 / static_cast<double>(window)),
       "connects/s"},
      InConnections("held_by_what_is_watched", open)};
  if (!holders.empty()) {
    finding.evidence.push_back(InConnections("biggest_holder", holders.front().place->open.size()));
  }
  finding.advice =
      "see who holds the others with `select application_name, state, count(*) from "
      "pg_stat_activity group by 1, 2 order by 3 desc`; `pqleash advise` says whether a cap on the "
      "biggest holder gives slots back at once, and what does where none would";
  finding.connections = refused;
  std::string sentence =
      fmt::format("{}: the server had no slot left for {} of {}", Verdict(observation, holders),
                  Count(refused, "connect"), victims);
  if (!holders.empty()) {
    const Holder& biggest = holders.front();
    sentence += fmt::format("; {} are held by {}, {}", biggest.place->open.size(),
                            Named(*biggest.service), OpenedBy(observation, *biggest.place->group));
  }
  finding.answer = {Answer::Verdict::kServer, std::move(sentence)};
  return {std::move(finding)};
}

}  // namespace pqleash::reporter
