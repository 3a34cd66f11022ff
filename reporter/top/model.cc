// SPDX-License-Identifier: Apache-2.0

#include "reporter/top/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/render/text_call_site.h"
#include "reporter/snapshot/names.h"
#include "reporter/top/detail.h"
#include "reporter/top/lookup.h"
#include "reporter/words/caps_names.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter::top {
namespace {

Cell Text(std::string_view bytes) { return {Escape(bytes), std::nullopt}; }
Cell Count(uint64_t number) { return {std::to_string(number), static_cast<double>(number)}; }

// What is not there is not worth a digit: zeros hide the other numbers.
Cell CountOrDash(uint64_t number) { return number == 0 ? Cell{"-", 0.0} : Count(number); }

Cell Age(const std::optional<uint64_t>& ns) {
  if (!ns) return {"-", std::nullopt};
  return {HumanDuration(*ns), static_cast<double>(*ns)};
}

Cell Rate(const std::optional<double>& rate) {
  if (!rate) return {"-", std::nullopt};
  if (*rate == 0) return {"0", 0.0};
  std::string text = *rate < 10 ? fmt::format("{:.1f}", *rate) : fmt::format("{:.0f}", *rate);
  return {std::move(text), *rate};
}

struct Counters {
  uint64_t opened = 0;
  uint64_t closed = 0;
};

struct Rates {
  std::optional<double> opened;
  std::optional<double> closed;
};

double Seconds(const Sample& before, const Sample& now) {
  return static_cast<double>(now.at_ns - before.at_ns) / static_cast<double>(kSecond);
}

Rates RatesOf(const Sample* before, const Sample& now, const Counters& then,
              const Counters& since) {
  if (before == nullptr || now.at_ns <= before->at_ns) return {};
  // A process that has ended takes its counts with it.
  const auto rate = [&](uint64_t from, uint64_t to) {
    return to > from ? static_cast<double>(to - from) / Seconds(*before, now) : 0.0;
  };
  return {rate(then.opened, since.opened), rate(then.closed, since.closed)};
}

// Of processes that are in both reports, and of those that are new: what ended meanwhile is
// nobody's rate.
Rates ProcessRates(const Sample* before, const Sample& now, const std::string& service) {
  std::map<std::string, Counters> then;  // by ledger
  if (before != nullptr) {
    for (const ReportProcess& process : before->report.processes) {
      then[process.ledger] = {process.totals.opened, process.totals.closed};
    }
  }
  Counters from;
  Counters to;
  for (const ReportProcess& process : now.report.processes) {
    if (!service.empty() && process.service != service) continue;
    const auto known = then.find(process.ledger);
    if (known != then.end()) {
      from.opened += known->second.opened;
      from.closed += known->second.closed;
    }
    to.opened += process.totals.opened;
    to.closed += process.totals.closed;
  }
  return RatesOf(before, now, from, to);
}

Rates SiteRates(const Sample* before, const Sample& now, const std::string& service,
                const ReportCallSite& site) {
  Counters then;
  const ServiceSample* earlier = before == nullptr ? nullptr : FindService(*before, service);
  if (earlier != nullptr) {
    if (const ReportCallSite* same = FindSite(earlier->report, CallSiteName(site.id))) {
      then = {same->opened, same->closed};
    }
  }
  return RatesOf(before, now, then, {site.opened, site.closed});
}

struct Use {
  uint64_t open = 0;
  uint64_t in_use = 0;
  uint64_t waiting = 0;
};

uint64_t WaitingIn(const ReportCallSite& site) {
  return static_cast<uint64_t>(std::count_if(
      site.connections.begin(), site.connections.end(),
      [](const auto& connection) { return connection.state == ConnectionState::kWaiting; }));
}

Use UseOf(const Report& report) {
  Use use;
  for (const ReportCallSite& site : report.call_sites) {
    use.open += site.open;
    use.in_use += std::min(site.in_use, site.open);
    use.waiting += WaitingIn(site);
  }
  return use;
}

Mark MarkOf(const std::vector<const Finding*>& findings) {
  Mark mark = Mark::kNone;
  for (const Finding* finding : findings) {
    mark = std::max(mark, finding->severity == Severity::kCritical ? Mark::kAlarm : Mark::kWarning);
  }
  return mark;
}

std::vector<const Finding*> AllOf(const Report& report) {
  std::vector<const Finding*> all;
  for (const Finding& finding : report.findings) all.push_back(&finding);
  return all;
}

Table Services(const Sample* before, const Sample& now) {
  Table table;
  table.columns = {{"service", "SERVICE", false, 12, 0, true},
                   {"processes", "PROCS", true, 5, 4},
                   {"open", "OPEN", true, 6},
                   {"use", "IN USE", true, 6},
                   {"idle", "IDLE", true, 6, 3},
                   {"waiting", "WAIT", true, 5, 1},
                   {"opened", "OPENED/s", true, 8, 5},
                   {"closed", "CLOSED/s", true, 8, 6},
                   {"findings", "FINDINGS", true, 8, 2}};
  table.empty = "No living process has a ledger here. `pqleash run -- CMD` starts one.";
  for (const ServiceSample& service : now.services) {
    const Use use = UseOf(service.report);
    const Rates rates = ProcessRates(before, now, service.name);
    table.rows.push_back(
        {service.name,
         MarkOf(AllOf(service.report)),
         {Text(service.name), Count(service.report.processes.size()), Count(use.open),
          Count(use.in_use), Count(use.open - use.in_use), CountOrDash(use.waiting),
          Rate(rates.opened), Rate(rates.closed), CountOrDash(service.report.findings.size())},
         std::nullopt});
  }
  return table;
}

Table CallSites(const Sample* before, const Sample& now, const std::string& service) {
  Table table;
  table.columns = {{"place", "CALL SITE", false, 30, 0, true},
                   {"open", "OPEN", true, 5},
                   {"use", "IN USE", true, 6},
                   {"idle", "IDLE", true, 5, 4},
                   {"waiting", "WAIT", true, 5, 3},
                   {"opened", "OPENED/s", true, 8, 5},
                   {"closed", "CLOSED/s", true, 8, 7},
                   {"oldest", "OLDEST", true, 7, 6},
                   {"unused", "UNUSED", true, 7, 1},
                   {"findings", "FIND", true, 4, 2}};
  table.empty = "No call site of this service has opened anything.";
  const ServiceSample* found = FindService(now, service);
  if (found == nullptr) {
    table.empty = "No process of this service lives any more.";
    return table;
  }
  for (const ReportCallSite& site : found->report.call_sites) {
    const std::vector<const Finding*> findings = FindingsOf(found->report, site.id);
    const Rates rates = SiteRates(before, now, service, site);
    const uint64_t in_use = std::min(site.in_use, site.open);
    table.rows.push_back({CallSiteName(site.id),
                          MarkOf(findings),
                          {{SiteTitle(site), std::nullopt},
                           Count(site.open),
                           Count(in_use),
                           Count(site.open - in_use),
                           CountOrDash(WaitingIn(site)),
                           Rate(rates.opened),
                           Rate(rates.closed),
                           Age(site.oldest_age_ns),
                           Age(site.max_idle_ns),
                           CountOrDash(findings.size())},
                          std::nullopt});
  }
  return table;
}

// What tells connections apart first; the detail has it all.
std::string DatabaseText(const Target& target) {
  return Escape(fmt::format("{} as {} at {}", target.dbname, target.user, target.host));
}

Table Connections(const Sample& now, const std::string& service, const std::string& site_key) {
  Table table;
  table.columns = {{"pid", "PID", true, 7},
                   {"backend", "BACKEND", true, 7, 2},
                   {"activity", "ACTIVITY", false, 19, 0, true},
                   {"age", "AGE", true, 7, 4},
                   {"unused", "UNUSED", true, 7},
                   {"queries", "QUERIES", true, 7, 3},
                   {"target", "DATABASE", false, 18, 1}};
  table.empty = "It has no connection now. Enter shows its stack.";
  const ServiceSample* found = FindService(now, service);
  const ReportCallSite* site = found == nullptr ? nullptr : FindSite(found->report, site_key);
  if (site == nullptr) return table;
  for (const ReportConnection& connection : site->connections) {
    const bool stuck =
        connection.in_call.empty() && (connection.transaction == Transaction::kOpen ||
                                       connection.transaction == Transaction::kFailed);
    const Mark mark = IsOutOfReach(connection.reach) ? Mark::kAlarm
                      : stuck                        ? Mark::kWarning
                                                     : Mark::kNone;
    table.rows.push_back(
        {ConnectionKey(connection),
         mark,
         {Count(static_cast<uint64_t>(connection.pid)),
          connection.backend_pid == 0 ? Cell{"-", std::nullopt}
                                      : Count(static_cast<uint64_t>(connection.backend_pid)),
          {ActivityText(connection), std::nullopt},
          Age(connection.age_ns),
          Age(connection.idle_ns),
          Count(connection.commands),
          {DatabaseText(connection.target), std::nullopt}},
         std::nullopt});
  }
  return table;
}

Table Findings(const Report& report) {
  Table table;
  table.columns = {{"kind", "FINDING", false, 20},
                   {"confidence", "SURE", false, 6, 1},
                   {"connections", "CONNS", true, 5, 2},
                   {"summary", "SUMMARY", false, 16, 0, true}};
  table.empty = "No findings: nothing is wrong that can be seen from here.";
  for (size_t i = 0; i < report.findings.size(); ++i) {
    const Finding& finding = report.findings[i];
    table.rows.push_back({FindingKey(report, i),
                          MarkOf({&finding}),
                          {Text(finding.kind), Text(NameOf(finding.confidence)),
                           CountOrDash(finding.connections), Text(finding.summary)},
                          std::nullopt});
  }
  return table;
}

Row CapRow(const CapsPolicy& shown) {
  const BoardPolicy& policy = shown.policy;
  const PolicyCounters& counters = policy.counters;
  Row row;
  row.key = fmt::format("{}\n{}\n{}", shown.board, policy.service, policy.filed.name);
  if (counters.waiting != 0 || shown.at_limit_ns || shown.server_full_ns) row.mark = Mark::kWarning;
  row.cells = {Text(policy.filed.name),
               policy.service.empty() ? Cell{"(all)", std::nullopt} : Text(policy.service),
               Text(ScopeName(policy.filed.scope)),
               Count(counters.use),
               {Escape(RuleText(policy.filed.kind, policy.rule)), std::nullopt},
               CountOrDash(counters.waiting),
               CountOrDash(counters.refused + counters.timed_out),
               {policy.from_operator ? "added"
                : policy.overridden  ? "changed"
                                     : "-",
                std::nullopt}};
  if (policy.filed.kind == caps::kCap) {
    // Of a cap of each process the sum says nothing about one of them.
    const uint64_t open = policy.filed.scope == caps::kScopeProcess ? 0 : counters.use;
    row.cap = CapTarget{shown.board, policy.filed.name,   policy.service, policy.rule.limit,
                        open,        policy.rule.on_limit};
  }
  return row;
}

Table Caps(const CapsReport& report, const std::string& service) {
  Table table;
  table.columns = {{"cap", "CAP", false, 10, 0, true}, {"service", "SERVICE", false, 12, 2},
                   {"scope", "SCOPE", false, 7, 5},    {"use", "IN USE", true, 6},
                   {"limit", "LIMIT", false, 18},      {"waiting", "WAIT", true, 5, 1},
                   {"refused", "REFUSED", true, 7, 3}, {"changed", "CHANGED", false, 7, 4}};
  table.empty = "No caps and no paces. `pqleash caps add NAME --service S --limit N` makes one.";
  for (const CapsPolicy& policy : report.policies) {
    const std::string& of = policy.policy.service;
    if (service.empty() || of.empty() || of == service) table.rows.push_back(CapRow(policy));
  }
  return table;
}

std::string TitleOf(const Sample& now, const Place& place) {
  const ServiceSample* service = FindService(now, place.service);
  const ReportCallSite* site = service == nullptr ? nullptr : FindSite(service->report, place.site);
  const std::string name = Escape(place.service);
  const std::string of = place.service.empty() ? "" : name + " > ";
  const std::string at = site == nullptr ? "a call site" : SiteTitle(*site);
  switch (place.view) {
    case View::kServices:
      return "services";
    case View::kCallSites:
      return of + "call sites";
    case View::kConnections:
      return of + at + " > connections";
    case View::kStack:
      return of + at + (place.item.empty() ? " > stack" : " > connection");
    case View::kFindings:
      return of + "findings";
    case View::kFinding:
      return of + "finding";
    case View::kCaps:
      return of + "caps and paces";
    case View::kHelp:
      return "help";
  }
  return "";
}

}  // namespace

const char* FirstSort(View view) {
  switch (view) {
    case View::kCallSites:
      return "findings";
    case View::kConnections:
      return "unused";
    case View::kCaps:
      return "waiting";
    case View::kServices:
      return "open";
    default:
      return "";  // the most suspicious first
  }
}

Summary SummaryOf(const Sample* before, const Sample& now) {
  const Report& report = now.report;
  const Use use = UseOf(report);
  const Rates rates = ProcessRates(before, now, "");
  const std::string time = UtcTime(report.generated_realtime_ns);
  Summary summary;
  summary.host = Escape(report.host);
  summary.clock = time.size() > 11 ? time.substr(11) : time;
  summary.services = now.services.size();
  summary.processes = report.processes.size();
  summary.open = use.open;
  summary.in_use = use.in_use;
  summary.waiting = use.waiting;
  summary.findings = report.findings.size();
  summary.opened_rate = rates.opened;
  summary.closed_rate = rates.closed;
  summary.answer = Escape(report.answer.sentence);
  summary.answer_bad = report.answer.verdict != Answer::Verdict::kNone &&
                       report.answer.verdict != Answer::Verdict::kEarly;
  summary.incomplete = report.incomplete.size();
  return summary;
}

Shown ShownOf(const Sample* before, const Sample& now, const Place& place) {
  Shown shown;
  shown.title = TitleOf(now, place);
  const ServiceSample* service = FindService(now, place.service);
  const Report& report = service == nullptr ? now.report : service->report;
  switch (place.view) {
    case View::kServices:
      shown.table = Services(before, now);
      break;
    case View::kCallSites:
      shown.table = CallSites(before, now, place.service);
      break;
    case View::kConnections:
      shown.table = Connections(now, place.service, place.site);
      break;
    case View::kFindings:
      shown.table = Findings(report);
      break;
    case View::kCaps:
      shown.table = Caps(now.caps, place.service);
      break;
    case View::kStack:
      shown.is_table = false;
      shown.detail = StackDetail(report, place.site, place.item);
      break;
    case View::kFinding:
      shown.is_table = false;
      shown.detail = FindingDetail(report, place.item);
      break;
    case View::kHelp:
      shown.is_table = false;
      shown.detail = HelpDetail();
      break;
  }
  if (!shown.is_table) return shown;
  if (!place.filter.empty() && !shown.table.rows.empty())
    shown.table.empty = "Nothing matches the filter. Esc takes it away.";
  FilterRows(place.filter, &shown.table);
  SortRows(place.sort, place.reverse, &shown.table);
  return shown;
}

size_t SelectedIndex(const Table& table, const Place& place) {
  if (table.rows.empty() || place.selected.empty()) return 0;
  const auto found = std::find_if(table.rows.begin(), table.rows.end(),
                                  [&](const Row& row) { return row.key == place.selected; });
  if (found != table.rows.end()) return static_cast<size_t>(found - table.rows.begin());
  return std::min(place.at, table.rows.size() - 1);
}

}  // namespace pqleash::reporter::top
