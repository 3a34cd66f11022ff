// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/call_site_group.h"

#include <algorithm>
#include <map>
#include <utility>

#include "reporter/snapshot/connection_times.h"

namespace pqleash::reporter {
namespace {

// A pid can come from a ledger only for a process that was seen alive.
ModuleFile FileOf(const Snapshot& snapshot, const Module& module) {
  return {module.path, module.build_id, module.path == snapshot.process.exe,
          snapshot.process.visible_pid};
}

std::vector<SourceFrame> SymboliseStack(const Snapshot& snapshot, const CallSite& site,
                                        Symboliser* symboliser) {
  std::vector<SourceFrame> stack;
  for (uint32_t i = 0; i < site.frame_count; ++i) {
    const Frame& frame = snapshot.frames[site.first_frame + i];
    switch (frame.kind) {
      case Frame::Kind::kScript: {
        const ScriptFrame& script = snapshot.script_frames[frame.index];
        SourceFrame source;
        source.function = script.function;
        source.file = script.file;
        source.line = script.line;
        source.language = script.language;
        stack.push_back(std::move(source));
        break;
      }
      case Frame::Kind::kModule: {
        const ModuleFile file = FileOf(snapshot, snapshot.modules[frame.index]);
        const std::vector<SourceFrame>& frames = symboliser->Resolve(file, frame.value);
        stack.insert(stack.end(), frames.begin(), frames.end());
        break;
      }
      case Frame::Kind::kAddress: {
        SourceFrame source;
        source.offset = frame.value;
        stack.push_back(std::move(source));
        break;
      }
    }
  }
  return stack;
}

}  // namespace

const CallSiteGroup* GroupOf(const std::vector<CallSiteGroup>& groups, uint64_t id) {
  const auto found = std::lower_bound(
      groups.begin(), groups.end(), id,
      [](const CallSiteGroup& group, uint64_t wanted) { return group.id < wanted; });
  return found != groups.end() && found->id == id ? &*found : nullptr;
}

std::vector<CallSiteGroup> GroupCallSites(const std::vector<Snapshot>& snapshots) {
  std::map<uint64_t, CallSiteGroup> groups;
  for (size_t s = 0; s < snapshots.size(); ++s) {
    const Snapshot& snapshot = snapshots[s];
    for (size_t i = 0; i < snapshot.call_sites.size(); ++i) {
      const CallSite& site = snapshot.call_sites[i];
      if (site.opened == 0 && site.failed == 0 && site.open == 0 && site.id == 0) continue;
      CallSiteGroup& group = groups[site.id];
      group.id = site.id;
      group.open += site.open;
      group.opened += site.opened;
      group.closed += site.closed;
      group.failed += site.failed;
      group.peak += site.peak;
      group.in_use += site.in_use;
      group.in_use_peak += site.in_use_peak;
      group.opened_beside_idle += site.opened_beside_idle;
      group.busy_ns += site.busy_ns;
      group.held_ns += site.closed_life_ns;
      group.stack_truncated |= site.stack_truncated;
      group.stack_incomplete |= site.stack_incomplete;
      group.members.push_back({s, i});
    }
    for (size_t i = 0; i < snapshot.connections.size(); ++i) {
      const CallSite& site = snapshot.call_sites[snapshot.connections[i].call_site];
      CallSiteGroup& group = groups[site.id];
      group.id = site.id;
      group.connections.push_back({s, i});
      if (!IsOpen(snapshot.connections[i])) continue;
      group.busy_ns += InUseNs(snapshot.connections[i], snapshot.as_of_ns);
      group.held_ns += Since(snapshot.as_of_ns, snapshot.connections[i].established_ns);
    }
  }
  std::vector<CallSiteGroup> result;
  result.reserve(groups.size());
  for (auto& [id, group] : groups) {
    group.ids = {id};
    result.push_back(std::move(group));
  }
  return result;
}

uint64_t SymboliseCallSites(const std::vector<Snapshot>& snapshots, Symboliser* symboliser,
                            std::vector<CallSiteGroup>* groups, const Progress& progress,
                            size_t max_frames) {
  const auto chosen_of = [&](const CallSiteGroup& group) {
    const CallSiteMember* chosen = nullptr;
    for (const CallSiteMember& member : group.members) {
      const bool live = snapshots[member.snapshot].process.visible_pid != 0;
      if (chosen == nullptr || live) chosen = &member;
      if (live) break;
    }
    return chosen;
  };
  const auto site_of = [&](const CallSiteMember& member) -> const CallSite& {
    return snapshots[member.snapshot].call_sites[member.call_site];
  };
  uint64_t all = 0;
  for (const CallSiteGroup& group : *groups) {
    const CallSiteMember* chosen = progress ? chosen_of(group) : nullptr;
    if (chosen != nullptr) all += site_of(*chosen).frame_count;
  }
  size_t frames = 0;
  uint64_t done = 0;
  uint64_t left_out = 0;
  for (CallSiteGroup& group : *groups) {
    const CallSiteMember* chosen = chosen_of(group);
    if (chosen == nullptr) continue;
    const CallSite& site = site_of(*chosen);
    if (progress) progress(done, all);
    done += site.frame_count;
    if (frames + site.frame_count > max_frames) {
      ++left_out;
      continue;
    }
    group.frames = SymboliseStack(snapshots[chosen->snapshot], site, symboliser);
    frames += group.frames.size();
  }
  return left_out;
}

bool CallersWereCut(const CallSiteGroup& group) {
  if (!group.stack_truncated) return false;
  // Either kind of frame is recorded to the same depth, and one of the two has reached it.
  size_t script = 0;
  size_t native = 0;
  for (const SourceFrame& frame : group.frames) {
    if (frame.language != Language::kNative) ++script;
    if (frame.language == Language::kNative && !frame.inlined) ++native;
  }
  return script == 0 || script >= native;
}

}  // namespace pqleash::reporter
