// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/open_at_exit.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "reporter/findings/idiom.h"
#include "reporter/findings/lines.h"

namespace pqleash::reporter {
namespace {

// Connections of one call site that were open at the end of their processes.
struct OpenAtEnd {
  uint64_t count = 0;
  uint64_t killed = 0;  // of these, in processes that did not come to exit()
  uint64_t oldest_age_ns = 0;
  std::set<size_t> processes;  // snapshots
  std::string held_in;         // where a reference to one of them was
  // Of these, by the interpreter that closed them in its own shutdown.
  std::map<Language, uint64_t> closed_by;

  uint64_t ClosedByInterpreters() const {
    uint64_t sum = 0;
    for (const auto& [language, closed] : closed_by) sum += closed;
    return sum;
  }
};

// A PGconn that the program did not pass to PQfinish. Those of failed connects are another kind's.
bool IsUnfinished(const Connection& connection) {
  switch (connection.state) {
    case ConnectionState::kEstablished:
    case ConnectionState::kResetting:
    case ConnectionState::kBroken:
    case ConnectionState::kLeftOpen:
      return true;
    case ConnectionState::kConnecting:
    case ConnectionState::kWaiting:
      return connection.handle != 0;
    case ConnectionState::kFailed:
    case ConnectionState::kRefused:
    case ConnectionState::kInherited:
      break;
  }
  return false;
}

bool HadNoChance(const Snapshot& snapshot) {
  return snapshot.process.life == Life::kKilled || snapshot.process.life == Life::kReplaced;
}

// Nothing was going on with it.
bool WasIdle(const Connection& connection) {
  return (connection.state == ConnectionState::kEstablished ||
          connection.state == ConnectionState::kBroken ||
          connection.state == ConnectionState::kLeftOpen) &&
         connection.in_call.empty() && connection.transaction != Transaction::kActive &&
         !IsIdleInside(connection.transaction);
}

// Whoever keeps an idle connection may keep it for ever: that a process came to its end otherwise
// than by exit() excuses those alone that it was at work with.
bool IsJudged(const Snapshot& snapshot, const Connection& connection, const AtExit& at_exit) {
  return HasEnded(snapshot) ||
         (HadNoChance(snapshot) && (at_exit.judge_killed || WasIdle(connection)));
}

using Choose = std::function<bool(const Snapshot&, const Connection&, const ConnectionReach&)>;

OpenAtEnd PickOpen(const Observation& observation, const CallSiteGroup& group,
                   const Choose& choose) {
  OpenAtEnd picked;
  for (const GroupedConnection& place : group.connections) {
    const Snapshot& snapshot = observation.snapshots[place.snapshot];
    const Connection& connection = snapshot.connections[place.connection];
    const ConnectionReach& reach = ReachAt(observation, place);
    if (!IsUnfinished(connection) || !choose(snapshot, connection, reach)) continue;
    ++picked.count;
    picked.killed += HadNoChance(snapshot);
    picked.oldest_age_ns = std::max(picked.oldest_age_ns, AgeNs(connection, snapshot.as_of_ns));
    picked.processes.insert(place.snapshot);
    if (connection.state == ConnectionState::kLeftOpen) ++picked.closed_by[connection.closed_by];
    if (reach.reach == Reach::kHeld && picked.held_in.empty()) picked.held_in = reach.where;
  }
  return picked;
}

// 'when the process ended'.
std::string WhenEnded(const OpenAtEnd& open) {
  std::string text =
      open.processes.size() == 1 ? "when the process ended" : "when the processes ended";
  if (open.killed == open.count) return text + " without exit()";
  if (open.killed != 0) text += fmt::format(" ({} of them without exit())", open.killed);
  return text;
}

// '; Python closed them in its own shutdown, the program did not', or nothing.
std::string WhoClosed(const OpenAtEnd& open) {
  std::string text;
  for (const auto& [language, closed] : open.closed_by) {
    const std::string which = closed != open.count ? fmt::format("{} of them", closed)
                              : closed == 1        ? "it"
                                                   : "them";
    text += fmt::format("; {} closed {} in its own shutdown, the program did not",
                        ProperName(language), which);
  }
  return text;
}

// What a program of the language can ask to be run before the interpreter clears away.
std::string_view HowToCloseAtExit(Language language) {
  switch (language) {
    case Language::kPython:
      return "close it or its pool (close(), closeall(), engine.dispose()) with atexit.register";
    case Language::kRuby:
      return "close it or its pool in an at_exit block";
    case Language::kPhp:
      return "close it with register_shutdown_function";
    case Language::kPerl:
      return "close it in an END block";
    case Language::kNative:
    case Language::kUnknown:
      break;
  }
  return "close it at exit";
}

// How the program closes in time, in the words of its own library where an interpreter has done it.
std::string HowToClose(const CallSiteGroup& group, const OpenAtEnd& open) {
  if (open.closed_by.empty())
    return "close the connection (PQfinish, or the driver's close) on every path before the "
           "program ends: an early return, an exception, an object that is never destroyed";
  const Idiom idiom = IdiomOf(group);
  return fmt::format("close the connection ({}) on every path before the program ends: {}",
                     idiom.close, idiom.scope);
}

Finding ToFinding(const Observation& observation, const FaultyLine& line, const OpenAtEnd& open) {
  Finding finding;
  SetSites(line, &finding);
  finding.connections = open.count;
  uint64_t opened = 0;
  uint64_t closed = 0;
  for (const CallSiteMember& member : line.sum.members) {
    if (!open.processes.contains(member.snapshot)) continue;
    const CallSite& site = observation.snapshots[member.snapshot].call_sites[member.call_site];
    opened += site.opened;
    closed += site.closed;
  }
  // The library counts these as closed, which by the end they were.
  const uint64_t left_to_interpreters = open.ClosedByInterpreters();
  finding.evidence = {InConnections("open_at_exit", open.count), InConnections("opened", opened),
                      InConnections("closed", closed - std::min(closed, left_to_interpreters)),
                      InSeconds("oldest", open.oldest_age_ns)};
  if (left_to_interpreters != 0)
    finding.evidence.push_back(InConnections("left_to_interpreter", left_to_interpreters));
  finding.evidence.push_back(
      {"processes", static_cast<double>(open.processes.size()), "processes"});
  return finding;
}

using Describe = std::function<void(const std::string& subject, const CallSiteGroup& group,
                                    const OpenAtEnd& open, Finding*)>;

std::vector<Finding> ForEachSite(const Observation& observation, const AtExit& at_exit,
                                 const std::function<bool(const Connection&)>& chosen,
                                 const Describe& describe) {
  std::vector<Finding> findings;
  const auto pick = [&](const CallSiteGroup& group) {
    return PickOpen(
        observation, group,
        [&](const Snapshot& snapshot, const Connection& connection, const ConnectionReach& reach) {
          return IsJudged(snapshot, connection, at_exit) && !IsLost(reach) && chosen(connection);
        });
  };
  const auto lines =
      FaultyLines(observation, [&](const CallSiteGroup& group) { return pick(group).count != 0; });
  for (const FaultyLine& line : lines) {
    const OpenAtEnd open = pick(line.sum);
    Finding finding = ToFinding(observation, line, open);
    describe(
        fmt::format("{} {}", Count(open.count, "connection"), OpenedBy(observation, line.sites)),
        line.sum, open, &finding);
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::string WereOrWas(uint64_t count) { return count == 1 ? "was" : "were"; }

}  // namespace

std::vector<Finding> FindInTransactionAtExit(const Observation& observation,
                                             const AtExit& at_exit) {
  return ForEachSite(
      observation, at_exit,
      [](const Connection& connection) { return IsIdleInside(connection.transaction); },
      [](const std::string& subject, const CallSiteGroup& group, const OpenAtEnd& open,
         Finding* finding) {
        finding->confidence = Confidence::kLikely;
        finding->summary = fmt::format(
            "{} {} still open and inside of a transaction {}: the server rolled it back{}", subject,
            WereOrWas(open.count), WhenEnded(open), WhoClosed(open));
        finding->advice =
            "commit or roll back, and close the connection, on every path before the program ends; "
            "with a driver that begins transactions by itself, a connection that has only read is "
            "in one, too";
        if (open.closed_by.empty()) return;
        const Idiom idiom = IdiomOf(group);
        finding->advice += fmt::format(": {}; {} closes it", idiom.transaction, idiom.close);
      });
}

std::vector<Finding> FindOpenAtExit(const Observation& observation, const AtExit& at_exit) {
  return ForEachSite(
      observation, at_exit,
      [](const Connection& connection) { return !IsIdleInside(connection.transaction); },
      [](const std::string& subject, const CallSiteGroup& group, const OpenAtEnd& open,
         Finding* finding) {
        finding->confidence = Confidence::kLikely;
        finding->summary = fmt::format("{} {} still open {}{}", subject, WereOrWas(open.count),
                                       WhenEnded(open), WhoClosed(open));
        if (!open.held_in.empty())
          finding->summary += fmt::format("; a reference was left in {}", open.held_in);
        const Language language =
            open.closed_by.size() == 1 ? open.closed_by.begin()->first : Language::kNative;
        finding->advice =
            fmt::format("{}; where it is meant to live as long as the process, {} or suppress it",
                        HowToClose(group, open), HowToCloseAtExit(language));
      });
}

std::vector<std::string> NotJudgedAtExit(const Observation& observation, const AtExit& at_exit) {
  std::vector<std::string> sentences;
  const auto pick = [&](const CallSiteGroup& group) {
    return PickOpen(
        observation, group,
        [&](const Snapshot& snapshot, const Connection& connection, const ConnectionReach&) {
          return HadNoChance(snapshot) && !IsJudged(snapshot, connection, at_exit);
        });
  };
  const auto lines =
      FaultyLines(observation, [&](const CallSiteGroup& group) { return pick(group).count != 0; });
  for (const FaultyLine& line : lines) {
    const OpenAtEnd open = pick(line.sum);
    const bool one = open.processes.size() == 1;
    sentences.push_back(fmt::format(
        "{} {} {} in use when {} ended without exit() (killed, crashed, left with _exit, or "
        "replaced by exec): not judged, since {} had no chance to close {}",
        Count(open.count, "connection"), OpenedBy(observation, line.sites), WereOrWas(open.count),
        one ? std::string("a process") : fmt::format("{} processes", open.processes.size()),
        one ? "it" : "they", open.count == 1 ? "it" : "them"));
  }
  return sentences;
}

}  // namespace pqleash::reporter
