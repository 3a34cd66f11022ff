// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/same_stack.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace pqleash::reporter {
namespace {

// Equal for stacks that a person could not tell apart. Names hold no NUL.
std::string TextOf(const std::vector<SourceFrame>& frames) {
  constexpr char kEnd = '\0';
  std::string text;
  for (const SourceFrame& frame : frames) {
    // A line that two plugins have from one source is two call sites.
    text += frame.function + kEnd + frame.module + kEnd;
    text += frame.file.empty() || frame.line == 0
                ? fmt::format("{:x}", frame.offset)
                : fmt::format("{}{}{}", frame.file, kEnd, frame.line);
    text += kEnd;
    text += kEnd;
  }
  return text;
}

// The ids of each stack that more than one call site has, ascending.
std::vector<std::vector<uint64_t>> SharedStacks(const std::vector<CallSiteGroup>& groups) {
  std::map<std::string, std::vector<uint64_t>> by_stack;
  for (const CallSiteGroup& group : groups) {
    if (group.id != 0 && !group.frames.empty()) by_stack[TextOf(group.frames)].push_back(group.id);
  }
  std::vector<std::vector<uint64_t>> shared;
  for (auto& [text, ids] : by_stack) {
    if (ids.size() < 2) continue;
    std::sort(ids.begin(), ids.end());
    shared.push_back(std::move(ids));
  }
  return shared;
}

void Add(const CallSite& from, CallSite* to) {
  to->stack_truncated |= from.stack_truncated;
  to->stack_incomplete |= from.stack_incomplete;
  to->opened += from.opened;
  to->closed += from.closed;
  to->failed += from.failed;
  to->open += from.open;
  to->peak += from.peak;
  if (to->first_ns == 0 || (from.first_ns != 0 && from.first_ns < to->first_ns)) {
    to->first_ns = from.first_ns;
  }
  to->last_ns = std::max(to->last_ns, from.last_ns);
  to->closed_life_ns += from.closed_life_ns;
  to->in_use += from.in_use;
  to->in_use_peak += from.in_use_peak;
  to->busy_ns += from.busy_ns;
  to->opened_beside_idle += from.opened_beside_idle;
}

// `first_of`: the id that stands for each.
void MergeIn(const std::map<uint64_t, uint64_t>& first_of, Snapshot* snapshot) {
  std::map<uint64_t, uint32_t> kept;  // index, by the id that stands for it
  std::vector<uint32_t> goes_to(snapshot->call_sites.size());
  for (uint32_t i = 0; i < goes_to.size(); ++i) {
    goes_to[i] = i;
    CallSite& site = snapshot->call_sites[i];
    const auto first = first_of.find(site.id);
    if (first == first_of.end()) continue;
    const auto [place, fresh] = kept.emplace(first->second, i);
    site.id = first->second;
    if (fresh) continue;
    goes_to[i] = place->second;
    Add(site, &snapshot->call_sites[place->second]);
    site = {};
  }
  for (Connection& connection : snapshot->connections) {
    connection.call_site = goes_to[connection.call_site];
    connection.touched_site = goes_to[connection.touched_site];
    connection.used_site = goes_to[connection.used_site];
  }
  for (Failure& failure : snapshot->failures) failure.call_site = goes_to[failure.call_site];
}

}  // namespace

void MergeSameStacks(std::vector<Snapshot>* snapshots, std::vector<CallSiteGroup>* groups) {
  const std::vector<std::vector<uint64_t>> shared = SharedStacks(*groups);
  if (shared.empty()) return;
  std::map<uint64_t, uint64_t> first_of;
  std::map<uint64_t, const std::vector<uint64_t>*> all_of;
  for (const std::vector<uint64_t>& ids : shared) {
    all_of.emplace(ids.front(), &ids);
    for (const uint64_t id : ids) first_of.emplace(id, ids.front());
  }
  for (Snapshot& snapshot : *snapshots) MergeIn(first_of, &snapshot);
  std::map<uint64_t, std::vector<SourceFrame>> frames;
  for (CallSiteGroup& group : *groups) frames.emplace(group.id, std::move(group.frames));
  *groups = GroupCallSites(*snapshots);
  for (CallSiteGroup& group : *groups) {
    group.frames = std::move(frames[group.id]);
    const auto all = all_of.find(group.id);
    if (all != all_of.end()) group.ids = *all->second;
  }
}

}  // namespace pqleash::reporter
