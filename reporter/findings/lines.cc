// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/lines.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "reporter/call_sites/application_frame.h"
#include "reporter/call_sites/headline.h"
#include "reporter/call_sites/told_apart.h"

namespace pqleash::reporter {
namespace {

using Sites = std::vector<const CallSiteGroup*>;

struct Name {
  std::string headline;  // empty: the stack has no line, and the site stands alone
  std::string whole;     // with the caller
};

// The application's functions and their files, one after the other; empty: none has a name.
std::string FunctionsOf(const Observation& observation, const CallSiteGroup& group) {
  std::string functions;
  bool named = false;
  for (const size_t i : OwnFrames(group.frames, observation.library_paths)) {
    const SourceFrame& frame = group.frames[i];
    functions += frame.function + '\n' + (frame.file.empty() ? frame.module : frame.file) + '\n';
    named |= !frame.function.empty();
  }
  return named ? functions : std::string();
}

Name NameOf(const Observation& observation, const CallSiteGroup& group) {
  if (observation.by_functions) {
    const std::string functions = FunctionsOf(observation, group);
    return {functions, functions};
  }
  const std::optional<Headline> headline = HeadlineOf(group.frames, observation.library_paths);
  if (!headline) return {};
  // Two threads of one pool's own lead to different targets, which is how they are named.
  if (headline->of != Headline::Of::kApplication) return {};
  return {DescribeSite(group.frames, headline->frame, std::nullopt),
          DescribeSite(group.frames, headline->frame, group.caller)};
}

void AddTo(const CallSiteGroup& site, CallSiteGroup* sum) {
  sum->ids.insert(sum->ids.end(), site.ids.begin(), site.ids.end());
  sum->open += site.open;
  sum->opened += site.opened;
  sum->closed += site.closed;
  sum->failed += site.failed;
  sum->peak += site.peak;
  sum->in_use += site.in_use;
  sum->in_use_peak += site.in_use_peak;
  sum->opened_beside_idle += site.opened_beside_idle;
  sum->busy_ns += site.busy_ns;
  sum->held_ns += site.held_ns;
  sum->stack_truncated |= site.stack_truncated;
  sum->stack_incomplete |= site.stack_incomplete;
  sum->members.insert(sum->members.end(), site.members.begin(), site.members.end());
  sum->connections.insert(sum->connections.end(), site.connections.begin(), site.connections.end());
}

FaultyLine LineOf(Sites sites) {
  FaultyLine line = {std::move(sites), {}};
  line.sum = *line.sites.front();
  for (size_t i = 1; i < line.sites.size(); ++i) AddTo(*line.sites[i], &line.sum);
  return line;
}

}  // namespace

std::vector<FaultyLine> FaultyLines(const Observation& observation,
                                    const std::function<bool(const CallSiteGroup&)>& has_fault) {
  std::map<std::string, std::map<std::string, Sites>> named;  // by headline, then with the caller
  std::vector<FaultyLine> lines;
  for (const CallSiteGroup& group : observation.call_sites) {
    if (!has_fault(group)) continue;
    const Name name = NameOf(observation, group);
    if (name.headline.empty()) {
      lines.push_back(LineOf({&group}));
    } else {
      named[name.headline][name.whole].push_back(&group);
    }
  }
  for (auto& [headline, callers] : named) {
    if (callers.size() <= kToldApart) {
      for (auto& [whole, sites] : callers) lines.push_back(LineOf(std::move(sites)));
      continue;
    }
    Sites all;
    for (auto& [whole, sites] : callers) all.insert(all.end(), sites.begin(), sites.end());
    std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->id < b->id; });
    lines.push_back(LineOf(std::move(all)));
  }
  std::sort(lines.begin(), lines.end(),
            [](const FaultyLine& a, const FaultyLine& b) { return a.sum.id < b.sum.id; });
  return lines;
}

void SetSites(const FaultyLine& line, Finding* finding) {
  finding->call_site = line.sum.id;
  for (size_t i = 1; i < line.sites.size(); ++i) finding->other_sites.push_back(line.sites[i]->id);
}

}  // namespace pqleash::reporter
