// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/text_call_site.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/call_sites/told_apart.h"
#include "reporter/render/short_places.h"
#include "reporter/render/text.h"
#include "reporter/render/text_stack.h"
#include "reporter/snapshot/names.h"
#include "reporter/snapshot/target_name.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

std::string InheritedText(const Inheritance& inheritance) {
  std::string text = "inherited";
  if (inheritance.opener_pid != 0) text += fmt::format(" from {}", inheritance.opener_pid);
  if (inheritance.finished_here) text += ", finished here";
  return text;
}

// 'state, in words': what the connection is doing.
std::string Activity(const ReportConnection& connection) {
  if (connection.inheritance) return InheritedText(*connection.inheritance);
  if (!connection.in_call.empty()) {
    return fmt::format("in {} for {}", Escape(connection.in_call),
                       HumanDuration(connection.in_call_ns));
  }
  if (connection.closed_by) {
    return fmt::format("left open until {}'s shutdown", ProperName(*connection.closed_by));
  }
  if (connection.state != ConnectionState::kEstablished) {
    return std::string(NameOf(connection.state));
  }
  switch (connection.transaction) {
    case Transaction::kIdle:
      return "idle";
    case Transaction::kActive:
      return "command sent, result not fetched";
    case Transaction::kOpen:
      return "idle in transaction";
    case Transaction::kFailed:
      return "idle in failed transaction";
    case Transaction::kUnknown:
      break;
  }
  return "established";
}

// The same without times, for counting.
std::string Condition(const ReportConnection& connection) {
  if (connection.inheritance) return "inherited";
  return connection.in_call.empty() ? Activity(connection) : "in a call";
}

void WriteStack(const ReportCallSite& site, bool native_frames, const Style& style,
                std::ostream& out) {
  if (site.frames.empty()) {
    out << "     stack: not recorded\n";
    return;
  }
  out << "     stack, innermost first\n";
  WriteStackText(site.frames, native_frames, 7, style, out);
  if (site.stack_truncated) out << style.Dim("       (deeper than was recorded)") << '\n';
  if (site.stack_incomplete) out << style.Dim("       (could not be followed further)") << '\n';
}

// 'a ×3, b' from values in order of frequency.
std::string Tally(const std::map<std::string, uint64_t>& counts, size_t shown) {
  std::vector<std::pair<std::string, uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (size_t i = 0; i < std::min(shown, sorted.size()); ++i) {
    if (i != 0) text += ", ";
    text += fmt::format("{} {}", sorted[i].second, sorted[i].first);
  }
  if (sorted.size() > shown) text += fmt::format(" and {} more", sorted.size() - shown);
  return text;
}

std::string ServerName(const Target& target) {
  const std::string name = TargetName(target);
  return name.empty() ? "not known yet" : CutEnd(Escape(name), 100);
}

// What kind of place the connection is held by: places on the heap are too many to tell apart.
std::string Holder(const ConnectionReach& reach) {
  if (IsLost(reach)) return "nothing";
  if (reach.reach == Reach::kOwnerLost) return "objects that nothing leads to";
  if (reach.reach != Reach::kHeld) return {};
  return Escape(reach.where.substr(0, reach.where.find(" at 0x")));
}

// More than one where a compiler made several calls of a line.
void WriteIds(const ReportCallSite& site, std::ostream& out) {
  constexpr size_t kIdsShown = 4;
  std::string names = CallSiteName(site.id);
  for (size_t i = 1; i < std::min(site.ids.size(), kIdsShown); ++i) {
    names += ", " + CallSiteName(site.ids[i]);
  }
  if (site.ids.size() > kIdsShown)
    names += fmt::format(" and {} more", site.ids.size() - kIdsShown);
  out << "     call site: " << names << '\n';
}

void WriteTallies(const ReportCallSite& site, std::ostream& out) {
  if (site.connections.empty()) return;
  std::map<std::string, uint64_t> conditions;
  std::map<std::string, uint64_t> servers;
  std::map<std::string, uint64_t> holders;
  std::map<std::string, uint64_t> takers;
  for (const ReportConnection& connection : site.connections) {
    ++conditions[Condition(connection)];
    ++servers[ServerName(connection.target)];
    if (connection.last_taken && !connection.last_taken->line.empty())
      ++takers[CutEnd(Escape(connection.last_taken->line), 100)];
    if (const std::string holder = Holder(connection.reach); !holder.empty()) ++holders[holder];
  }
  WriteWrapped("     states: ", Tally(conditions, 12), out);
  WriteWrapped("     servers: ", Tally(servers, 4), out);
  if (!takers.empty()) WriteWrapped("     last taken by: ", Tally(takers, 4), out);
  if (!holders.empty()) WriteWrapped("     held by: ", Tally(holders, 4), out);
}

// What a process that is gone held at its end must not look like what is held now.
std::string PidText(const ReportConnection& connection) {
  if (connection.life == Life::kLive) return std::to_string(connection.pid);
  return fmt::format("{} ({})", connection.pid, NameOf(connection.life));
}

std::string Thread(const ReportConnection& connection) {
  if (connection.adopted && connection.tid == 0) return "-";
  if (connection.thread_name.empty()) return std::to_string(connection.tid);
  return fmt::format("{} {}", connection.tid, Escape(connection.thread_name));
}

void WriteConnections(const ReportCallSite& site, std::ostream& out) {
  const size_t shown = std::min(site.connections.size(), kConnectionsShown);
  if (shown != 0) out << "     connections\n";
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < shown; ++i) {
    const ReportConnection& connection = site.connections[i];
    rows.push_back({HandleName(connection.handle), PidText(connection), Thread(connection),
                    connection.backend_pid == 0 ? "-" : std::to_string(connection.backend_pid),
                    Activity(connection), AgeText(connection),
                    connection.in_call.empty() ? HumanDuration(connection.idle_ns) : "-",
                    std::to_string(connection.commands)});
  }
  if (shown != 0) {
    WriteTable({{"conn"},
                {"pid", true},
                {"thread"},
                {"backend", true},
                {"state"},
                {"age", true},
                {"idle", true},
                {"commands", true}},
               rows, 7, out);
  }
  if (site.connections.size() > shown) {
    out << fmt::format("       and {} more\n", site.connections.size() - shown);
  }
  if (site.connections_left_out != 0) {
    out << fmt::format("       {} younger or less idle than asked for {} left out\n",
                       site.connections_left_out, site.connections_left_out == 1 ? "is" : "are");
  }
}

}  // namespace

std::string ActivityText(const ReportConnection& connection) { return Activity(connection); }

std::string AgeText(const ReportConnection& connection) {
  // It is older than what has been seen of it.
  return (connection.adopted ? ">" : "") + HumanDuration(connection.age_ns);
}

std::string TargetText(const Target& target) { return ServerName(target); }

void WriteCallSiteText(size_t number, const ReportCallSite& site, bool native_frames,
                       const Style& style, std::ostream& out) {
  const std::string title = site.headline
                                ? Escape(DescribeSite(site.frames, site.headline, site.caller))
                                : "connects without a recorded stack";
  out << fmt::format("{:3}. ", number) << style.Bold(ShortPlaces(title, kTextWidth - 5)) << '\n';
  std::vector<std::string> counters = {
      fmt::format("open {}", site.open), fmt::format("opened {}", site.opened),
      fmt::format("closed {}", site.closed), fmt::format("failed {}", site.failed),
      fmt::format("peak {}{}", site.processes > 1 ? "at most " : "", site.peak)};
  if (site.processes > 1) counters.push_back(fmt::format("in {} processes", site.processes));
  if (site.oldest_age_ns) {
    counters.push_back(fmt::format("oldest {}", HumanDuration(*site.oldest_age_ns)));
  }
  if (site.max_idle_ns) {
    counters.push_back(fmt::format("longest idle {}", HumanDuration(*site.max_idle_ns)));
  }
  WriteItems("     ", counters, out);
  WriteIds(site, out);
  WriteTallies(site, out);
  WriteStack(site, native_frames, style, out);
  WriteConnections(site, out);
}

}  // namespace pqleash::reporter
