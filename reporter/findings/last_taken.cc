// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/last_taken.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "reporter/call_sites/application_frame.h"
#include "reporter/call_sites/headline.h"
#include "reporter/call_sites/told_apart.h"

namespace pqleash::reporter {
namespace {

// Whether the function that opened the connection is one of those that took it: then the line of
// the connect says who keeps it.
bool OpenedWhereTaken(const std::vector<SourceFrame>& opened, const std::vector<SourceFrame>& taken,
                      const std::vector<std::string>& library_paths) {
  const std::optional<Headline> opener = HeadlineOf(opened, library_paths);
  if (!opener || opener->of != Headline::Of::kApplication) return false;
  const SourceFrame& line = opened[opener->frame];
  const std::vector<size_t> own = OwnFrames(taken, library_paths);
  return std::any_of(own.begin(), own.end(), [&](size_t i) {
    return taken[i].function == line.function && taken[i].file == line.file &&
           taken[i].module == line.module;
  });
}

struct Name {
  std::string line;    // with the caller that tells it apart
  std::string helper;  // without
};

// The application's line of that stack; empty: it has none, and a library's says nothing.
Name NameOf(const CallSiteGroup& group, const std::vector<std::string>& library_paths) {
  const std::optional<Headline> headline = HeadlineOf(group.frames, library_paths);
  if (!headline || headline->of != Headline::Of::kApplication) return {};
  return {DescribeSite(group.frames, headline->frame, group.caller),
          DescribeSite(group.frames, headline->frame, std::nullopt)};
}

struct Line {
  const CallSiteGroup* group = nullptr;
  uint64_t connections = 0;

  void Add(const CallSiteGroup* place) {
    group = place;
    ++connections;
  }
};
using Lines = std::map<std::string, Line>;

Lines::const_iterator MostOf(const Lines& lines) {
  return std::max_element(lines.begin(), lines.end(), [](const auto& a, const auto& b) {
    return a.second.connections < b.second.connections;
  });
}

}  // namespace

LastTakenBy LastTakenOf(const Observation& observation,
                        const std::vector<GroupedConnection>& connections) {
  Lines lines;
  Lines helpers;  // the same without callers
  std::map<const CallSiteGroup*, Name> names;
  LastTakenBy taken;
  uint64_t elsewhere = 0;
  taken.all = connections.size();
  for (const GroupedConnection& place : connections) {
    const Snapshot& snapshot = observation.snapshots[place.snapshot];
    const Connection& connection = snapshot.connections[place.connection];
    const uint64_t id = snapshot.call_sites[connection.used_site].id;
    const CallSiteGroup* used = id != 0 ? GroupOf(observation.call_sites, id) : nullptr;
    if (used == nullptr) continue;
    const auto [name, fresh] = names.try_emplace(used);
    if (fresh) name->second = NameOf(*used, observation.library_paths);
    if (name->second.line.empty()) continue;
    ++taken.known;
    lines[name->second.line].Add(used);
    helpers[name->second.helper].Add(used);
    const CallSiteGroup* opened =
        GroupOf(observation.call_sites, snapshot.call_sites[connection.call_site].id);
    if (opened == nullptr ||
        !OpenedWhereTaken(opened->frames, used->frames, observation.library_paths)) {
      ++elsewhere;
    }
  }
  if (taken.known == 0 || 2 * taken.known < taken.all || 2 * elsewhere <= taken.known) return taken;
  auto most = MostOf(lines);
  if (3 * most->second.connections < taken.known) {
    // Called from everywhere: what is common to most says something still.
    most = MostOf(helpers);
    if (2 * most->second.connections <= taken.known) return taken;
  }
  taken.place = most->second.group;
  taken.line = most->first;
  taken.connections = most->second.connections;
  return taken;
}

LastTakenBy LastTakenOf(const Observation& observation, const CallSiteGroup& group,
                        const std::function<bool(const GroupedConnection&)>& is_meant) {
  std::vector<GroupedConnection> meant;
  std::copy_if(group.connections.begin(), group.connections.end(), std::back_inserter(meant),
               is_meant);
  return LastTakenOf(observation, meant);
}

std::string TakenClause(const LastTakenBy& taken) {
  if (!taken) return {};
  if (taken.connections == taken.all) return fmt::format(", last taken by {},", taken.line);
  return fmt::format(", {} of {} last taken by {},", taken.connections, taken.all, taken.line);
}

std::string TakenOr(const LastTakenBy& taken, std::string opened) {
  return taken ? "last taken by " + taken.line : std::move(opened);
}

void AddLastTaken(const Observation& observation, const LastTakenBy& taken, Finding* finding) {
  if (!taken) return;
  finding->last_taken = {taken.place->id, taken.line, taken.connections, taken.known};
  if (!finding->stacks.empty()) return;
  if (finding->call_site) {
    const CallSiteGroup* opened = GroupOf(observation.call_sites, *finding->call_site);
    if (opened != nullptr) finding->stacks.push_back({"opened at", opened->id, opened->frames});
  }
  finding->stacks.push_back({"last taken at", taken.place->id, taken.place->frames});
}

}  // namespace pqleash::reporter
