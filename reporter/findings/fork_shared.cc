// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "reporter/findings/detector.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kShownPids = 5;
constexpr size_t kShownFunctions = 3;
// Ledgers may name many openers, and the same stacks over and over.
constexpr size_t kMaxOpeners = 64;  // told apart at one call site
constexpr size_t kMaxFrames = 100'000;

// A process by what its pid means something in.
using ProcessKey = std::tuple<std::string, uint64_t, int32_t>;  // boot, pid namespace, pid

// Connections of one opener and call site that other processes used.
struct Shared {
  std::set<int32_t> users;
  uint64_t connections = 0;
  uint64_t finished = 0;
  std::map<std::string, uint64_t> functions;
  std::map<uint64_t, uint64_t> touched_sites;  // by id
};

bool WasTouched(const Connection& connection) {
  return connection.state == ConnectionState::kInherited &&
         (!connection.touched_by.empty() || connection.touched_site != 0 ||
          connection.finished_here);
}

int32_t ShownPid(const Process& process) {
  return process.visible_pid != 0 ? process.visible_pid : process.pid;
}

// As the reader sees it, where its ledger is at hand.
int32_t ShownOpener(const Observation& observation, const ProcessKey& opener) {
  for (const Snapshot& snapshot : observation.snapshots) {
    const Process& process = snapshot.process;
    if (ProcessKey(process.boot_id, process.pid_namespace, process.pid) == opener) {
      return ShownPid(process);
    }
  }
  return std::get<int32_t>(opener);
}

std::map<ProcessKey, Shared> SharedOf(const Observation& observation, const CallSiteGroup& group) {
  std::map<ProcessKey, Shared> by_opener;
  for (const GroupedConnection& place : group.connections) {
    const Snapshot& snapshot = observation.snapshots[place.snapshot];
    const Connection& connection = snapshot.connections[place.connection];
    if (!WasTouched(connection)) continue;
    const Process& process = snapshot.process;
    ProcessKey opener(process.boot_id, process.pid_namespace, connection.opener_pid);
    if (by_opener.size() >= kMaxOpeners && !by_opener.contains(opener)) opener = ProcessKey();
    Shared& shared = by_opener[std::move(opener)];
    shared.users.insert(ShownPid(process));
    ++shared.connections;
    shared.finished += connection.finished_here;
    if (!connection.touched_by.empty()) ++shared.functions[connection.touched_by];
    ++shared.touched_sites[snapshot.call_sites[connection.touched_site].id];
  }
  return by_opener;
}

// Keys in order of frequency.
template <typename Key>
std::vector<Key> MostFrequent(const std::map<Key, uint64_t>& counts, size_t limit) {
  std::vector<std::pair<Key, uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<Key> keys;
  for (size_t i = 0; i < std::min(limit, sorted.size()); ++i) keys.push_back(sorted[i].first);
  return keys;
}

std::string UsersText(const std::set<int32_t>& users) {
  if (users.size() == 1) return fmt::format("process {}", *users.begin());
  std::string pids;
  size_t shown = 0;
  for (const int32_t pid : users) {
    if (shown++ == kShownPids) break;
    pids += fmt::format("{}{}", pids.empty() ? "" : ", ", pid);
  }
  if (users.size() > kShownPids) pids += fmt::format(" and {} more", users.size() - kShownPids);
  return fmt::format("{} processes ({})", users.size(), pids);
}

std::string FunctionsText(const Shared& shared) {
  std::string names;
  for (const std::string& name : MostFrequent(shared.functions, kShownFunctions)) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  }
  if (shared.functions.size() > kShownFunctions) names += " and others";
  return names.empty() ? std::string("a function that was not recorded") : names;
}

std::string EndText(const Shared& shared) {
  if (shared.finished == 0) return {};
  const bool one = shared.finished == 1;
  return fmt::format("; {} finished there: the opener's {} gone",
                     shared.connections == 1
                         ? std::string("it was")
                         : Count(shared.finished, "connection") + (one ? " was" : " were"),
                     one ? "session is" : "sessions are");
}

std::string At(const Observation& observation, const std::vector<SourceFrame>& frames) {
  const SourceFrame* headline = HeadlineFrame(frames, observation.library_paths);
  return headline == nullptr ? "a place that was not recorded" : DescribeFrame(headline);
}

// Empty: not recorded.
const std::vector<SourceFrame>& FramesOf(const Observation& observation, uint64_t id) {
  static const std::vector<SourceFrame> none;
  const CallSiteGroup* group = GroupOf(observation.call_sites, id);
  return group != nullptr ? group->frames : none;
}

Finding ToFinding(const Observation& observation, const CallSiteGroup& group, int32_t opener,
                  const Shared& shared) {
  const uint64_t touched_site = MostFrequent(shared.touched_sites, 1).front();
  const std::vector<SourceFrame>& touched = FramesOf(observation, touched_site);
  Finding finding;
  finding.confidence = Confidence::kProven;
  finding.summary =
      fmt::format("{} used {} that {} opened before a fork: opened at {}, touched with {} at {}{}",
                  UsersText(shared.users), Count(shared.connections, "connection"),
                  opener == 0 ? std::string("another process") : fmt::format("process {}", opener),
                  At(observation, group.frames), FunctionsText(shared), At(observation, touched),
                  EndText(shared));
  finding.answer = {
      Answer::Verdict::kOther,
      fmt::format("No leak and no limit, but fork-shared: {} used {} of {} after a fork: opened at "
                  "{}, touched at {}",
                  UsersText(shared.users), Count(shared.connections, "connection"),
                  opener == 0 ? std::string("another process") : fmt::format("process {}", opener),
                  At(observation, group.frames), At(observation, touched))};
  finding.call_site = group.id;
  finding.evidence = {{"processes", static_cast<double>(shared.users.size()), "processes"},
                      InConnections("used_by_them", shared.connections),
                      InConnections("of_these_finished_there", shared.finished),
                      {"places", static_cast<double>(shared.touched_sites.size()), "call sites"}};
  finding.advice =
      "two processes on one session garble it, and PQfinish in either ends it for both: close "
      "connections before the fork, or connect after it, where pre-fork servers have a hook for "
      "that (gunicorn post_fork, Unicorn and Puma before_fork and on_worker_boot, uWSGI lazy-apps, "
      "the initializer of a multiprocessing pool); where finalisers of the child would finish "
      "them, leave it with exit! (Ruby) or os._exit (Python)";
  finding.stacks = {{"opened at", group.id, {}}, {"touched at", touched_site, {}}};
  finding.connections = shared.connections;
  return finding;
}

}  // namespace

// A process that works on, or finishes, a connection that another one opened before a fork: seen in
// the child, and so proven, whatever it is used for.
std::vector<Finding> FindForkShared(const Observation& observation) {
  std::vector<Finding> findings;
  size_t frames = 0;
  for (const CallSiteGroup& group : observation.call_sites) {
    for (const auto& [opener, shared] : SharedOf(observation, group)) {
      Finding finding = ToFinding(observation, group, ShownOpener(observation, opener), shared);
      for (FindingStack& stack : finding.stacks) {
        const std::vector<SourceFrame>& found = FramesOf(observation, stack.call_site);
        frames += found.size();
        if (frames <= kMaxFrames) stack.frames = found;
      }
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

}  // namespace pqleash::reporter
