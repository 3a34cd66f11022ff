// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/caps_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "reporter/render/layout.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/caps_names.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"
#include "shim/config/policies.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kNameColumns = 24;
constexpr size_t kServiceColumns = 20;

using Row = std::vector<std::string>;

std::string DurationOrDash(const std::optional<uint64_t>& ns) {
  return ns ? HumanDuration(*ns) : std::string("-");
}

Row RowOf(std::string name, std::string scope, const std::string& service, std::string rule,
          const PolicyCounters& counters, const std::optional<uint64_t>& oldest_wait_ns) {
  const bool anybody_waited = counters.longest_wait_ns != 0;
  return {std::move(name),
          std::move(scope),
          service.empty() ? std::string("-") : CutEnd(Escape(service), kServiceColumns),
          std::move(rule),
          std::to_string(counters.use),
          std::to_string(counters.peak),
          std::to_string(counters.waiting),
          DurationOrDash(oldest_wait_ns),
          std::to_string(counters.waited),
          std::to_string(counters.refused + counters.timed_out),
          anybody_waited ? HumanDuration(counters.longest_wait_ns) : std::string("-")};
}

std::vector<Row> RowsOf(const CapsPolicy& shown) {
  const BoardPolicy& policy = shown.policy;
  std::vector<Row> rows = {RowOf(CutEnd(Escape(policy.filed.name), kNameColumns),
                                 std::string(ScopeName(policy.filed.scope)), policy.service,
                                 RuleText(policy.filed.kind, policy.rule), policy.counters,
                                 shown.oldest_wait_ns)};
  for (const CapsProcess& process : shown.processes) {
    rows.push_back(RowOf(fmt::format("  pid {}", process.pid), "", process.service, "",
                         process.counters, process.oldest_wait_ns));
  }
  return rows;
}

// What the numbers do not say: a line each, and whether it calls for attention.
struct Note {
  std::string text;
  bool alarming = false;
};

// Back-offs begin with a tenth of a second.
std::string Soon(uint64_t ns) {
  return ns < kSecond ? fmt::format("{} ms", ns / kMillisecond) : HumanDuration(ns);
}

void AddServerFull(const CapsPolicy& shown, std::vector<Note>* notes) {
  if (!shown.server_full_ns) return;
  const PolicyCounters& counters = shown.policy.counters;
  std::string text = fmt::format("server full for {}", Soon(*shown.server_full_ns));
  if (counters.probes != 0) {
    text += fmt::format(", {} {} failed", counters.probes, counters.probes == 1 ? "try" : "tries");
  }
  if (counters.probing) {
    text += ": a try is under way";
  } else if (shown.next_try_ns == 0) {
    text += ": the next connect is a try";
  } else {
    text += ": next try in " + Soon(shown.next_try_ns);
  }
  notes->push_back({std::move(text), true});
}

std::vector<Note> NotesOf(const CapsPolicy& shown) {
  const BoardPolicy& policy = shown.policy;
  const PolicyCounters& counters = policy.counters;
  std::vector<Note> notes;
  std::string matchers;
  for (const auto& [key, glob] : config::Matchers(policy.filed)) {
    matchers += fmt::format("{}{}={}", matchers.empty() ? "" : ", ", key, Escape(glob));
  }
  if (!matchers.empty()) notes.push_back({"for " + matchers});
  if (policy.overridden) {
    const std::string by =
        policy.changed_by == 0 ? "" : fmt::format(" by process {}", policy.changed_by);
    notes.push_back({fmt::format("changed from outside{}: {} says {}", by,
                                 policy.from_operator ? "`pqleash caps add`" : "the file",
                                 RuleText(policy.filed.kind, policy.filed.rule))});
  }
  if (policy.from_operator) notes.push_back({"made from outside, by `pqleash caps add`"});
  if (shown.at_limit_ns) {
    notes.push_back({fmt::format("at its limit for {}", HumanDuration(*shown.at_limit_ns)), true});
  }
  AddServerFull(shown, &notes);
  if (counters.timed_out != 0) {
    notes.push_back({fmt::format("{} of those refused had waited", counters.timed_out)});
  }
  if (counters.warned != 0) {
    notes.push_back({fmt::format("{} went on beyond the limit", counters.warned)});
  }
  return notes;
}

void WriteNotes(const CapsPolicy& shown, const Style& style, std::ostream& out) {
  for (const Note& note : NotesOf(shown)) {
    std::ostringstream lines;
    WriteWrapped("    ", note.text, lines);
    out << (note.alarming ? style.Warning(lines.str()) : style.Dim(lines.str()));
  }
}

// One table, so that its columns are of one width, with the notes between its lines.
void WritePolicies(const CapsReport& report, const Style& style, std::ostream& out) {
  const std::vector<Column> columns = {
      {"name"},         {"scope"},         {"service"},           {"limit"},
      {"use", true},    {"peak", true},    {"waiting", true},     {"oldest", true},
      {"waited", true}, {"refused", true}, {"longest wait", true}};
  std::vector<Row> rows;
  std::vector<size_t> counts;
  for (const CapsPolicy& policy : report.policies) {
    std::vector<Row> own = RowsOf(policy);
    counts.push_back(own.size());
    std::move(own.begin(), own.end(), std::back_inserter(rows));
  }
  std::stringstream table;
  WriteTable(columns, rows, 0, table);
  std::string line;
  std::getline(table, line);
  out << style.Bold(line) << '\n';
  for (size_t i = 0; i < counts.size(); ++i) {
    for (size_t row = 0; row < counts[i] && std::getline(table, line); ++row) out << line << '\n';
    WriteNotes(report.policies[i], style, out);
  }
}

std::string CallSiteCell(uint64_t id, const std::string& label) {
  const std::string name = CallSiteName(id);
  return label.empty() ? name : fmt::format("{}  {}", name, Escape(label));
}

void WriteMore(size_t all, size_t shown, std::ostream& out) {
  if (all > shown) out << fmt::format("  and {} more\n", all - shown);
}

void WriteHolders(const CapsPolicy& policy, const Style& style, std::ostream& out) {
  const std::string name = Escape(policy.policy.filed.name);
  if (policy.holders.empty()) {
    out << '\n' << style.Bold(fmt::format("Nobody holds a connection at {}", name)) << '\n';
    return;
  }
  out << '\n' << style.Bold(fmt::format("Who holds connections at {}", name)) << '\n';
  std::vector<Row> rows;
  for (const CapsHolder& holder : policy.holders) {
    if (rows.size() == kHoldersShown) break;
    rows.push_back({std::to_string(holder.count), HumanDuration(holder.oldest_age_ns),
                    fmt::format("{}{}", holder.pid, holder.ended ? " (ended)" : ""),
                    CutEnd(Escape(holder.service), kServiceColumns),
                    CallSiteCell(holder.call_site, holder.label)});
  }
  WriteTable({{"count", true}, {"oldest", true}, {"pid"}, {"service"}, {"call site"}}, rows, 2,
             out);
  WriteMore(policy.holders.size(), rows.size(), out);
}

void WriteWaiters(const CapsPolicy& policy, const Style& style, std::ostream& out) {
  if (policy.waiters.empty()) return;
  out << '\n'
      << style.Bold(
             fmt::format("Who waits at {}, first come first", Escape(policy.policy.filed.name)))
      << '\n';
  std::vector<Row> rows;
  for (const CapsWaiter& waiter : policy.waiters) {
    if (rows.size() == kWaitersShown) break;
    rows.push_back({HumanDuration(waiter.waiting_ns), HumanDuration(waiter.left_ns),
                    std::to_string(waiter.pid), CutEnd(Escape(waiter.service), kServiceColumns),
                    CallSiteCell(waiter.call_site, waiter.label)});
  }
  WriteTable({{"waits", true}, {"gives up in", true}, {"pid"}, {"service"}, {"call site"}}, rows, 2,
             out);
  WriteMore(policy.waiters.size(), rows.size(), out);
}

void WriteBoards(const CapsReport& report, const Style& style, std::ostream& out) {
  for (const CapsBoard& board : report.boards) {
    if (board.uncounted == 0) continue;
    std::ostringstream lines;
    WriteWrapped("uncounted: ",
                 fmt::format("{} connects went on without being counted on {}: it was full, or "
                             "locked by a process that was stopped",
                             board.uncounted, Escape(board.path)),
                 lines);
    out << '\n' << style.Warning(lines.str());
  }
}

}  // namespace

void RenderCapsText(const CapsReport& report, const CapsTextOptions& options, std::ostream& out) {
  const Style style(options.colour);
  if (report.policies.empty()) {
    out << "No cap and no pace is in force.\n";
    WriteWrapped("For services that run: ",
                 "`pqleash caps add NAME --limit N --scope service --service SERVICE`; see "
                 "`pqleash caps add --help`.",
                 out);
    WriteWrapped("For those that start: ",
                 "PQLEASH_LIMIT in their environment, or a table [[cap]] in the file that "
                 "PQLEASH_CONFIG names.",
                 out);
  } else {
    WritePolicies(report, style, out);
  }
  if (options.holders) {
    for (const CapsPolicy& policy : report.policies) {
      WriteHolders(policy, style, out);
      WriteWaiters(policy, style, out);
    }
  }
  WriteBoards(report, style, out);
  WriteIncomplete(report.incomplete, style, out);
}

}  // namespace pqleash::reporter
