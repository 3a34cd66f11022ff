// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/json.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "reporter/findings/failures.h"
#include "reporter/findings/severity.h"
#include "reporter/render/caps_json.h"
#include "reporter/render/json_parts.h"
#include "reporter/render/json_values.h"
#include "reporter/render/server_json.h"
#include "reporter/report/saved_report.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {
namespace {

Json ToJson(const Coverage& coverage) {
  Json copies = Json::array();
  for (const LibpqCopy& copy : coverage.copies) {
    copies.push_back({{"path", copy.path},
                      {"version", LibpqVersion(copy.version)},
                      {"ways", NamesOf(copy.ways)}});
  }
  Json interpreters = Json::array();
  for (const Language language : coverage.interpreters) interpreters.push_back(NameOf(language));
  return {{"copies", std::move(copies)},
          {"bypassed_calls", coverage.bypassed_calls},
          {"bypassed_closes", coverage.bypassed_closes},
          {"uncovered_lookups", coverage.uncovered_lookups},
          {"intercepted", NamesOf(coverage.intercepted)},
          {"interpreters", std::move(interpreters)},
          {"unwinder", NameOf(coverage.unwinder)}};
}

uint64_t CountOf(const TimeHistogram& histogram) {
  uint64_t count = 0;
  for (const uint64_t bucket : histogram.buckets) count += bucket;
  return count;
}

// The bound of the bucket that the quantile lies in; null: nothing was counted, or it has no bound.
Json Quantile(const TimeHistogram& histogram, double quantile) {
  const auto wanted = static_cast<double>(CountOf(histogram)) * quantile;
  double counted = 0;
  for (size_t i = 0; i + 1 < histogram.buckets.size(); ++i) {
    counted += static_cast<double>(histogram.buckets[i]);
    if (counted > 0 && counted >= wanted) return static_cast<double>(uint64_t{1} << i) / 1e6;
  }
  return nullptr;
}

Json ToJson(const TimeHistogram& histogram) {
  return {{"count", CountOf(histogram)},
          {"sum_s", Seconds(histogram.sum_ns)},
          {"p50_at_most_s", Quantile(histogram, 0.5)},
          {"p95_at_most_s", Quantile(histogram, 0.95)}};
}

Json ToJson(const ReportPeriod& period) {
  const HistoryPeriod& happened = period.happened;
  return {{"from", Timestamp(period.realtime_ns)},
          {"opened", happened.opened},
          {"closed", happened.closed},
          {"failed", happened.failed},
          {"server_full", happened.server_full},
          {"waited", happened.waited},
          {"refused", happened.refused},
          {"open_peak", happened.open_peak},
          {"in_use_peak", happened.in_use_peak},
          {"busy_s", Seconds(happened.busy_ns)},
          {"uses", happened.uses},
          {"thread_changes", happened.thread_changes},
          {"handovers", happened.handovers}};
}

// Why connects failed, of the reasons that there were.
Json ToJson(const std::vector<ReportFailure>& failures) {
  Json array = Json::array();
  for (const ReportFailure& failure : failures) {
    array.push_back({{"reason", NameOf(failure.reason)},
                     {"count", failure.count},
                     {"last_ago_s", Seconds(failure.last_ago_ns)},
                     {"text", TextOrNull(failure.text)},
                     {"call_site", CallSiteName(failure.call_site)}});
  }
  return array;
}

Json ToJson(const ReportProcess& process) {
  const Json alive =
      process.life == Life::kUnknown ? Json(nullptr) : Json(process.life == Life::kLive);
  return {{"pid", process.pid},
          {"service", process.service},
          {"exe", process.exe},
          {"alive", alive},
          {"state", NameOf(process.life)},
          {"open", process.totals.open},
          {"peak", process.totals.peak},
          {"opened_total", process.totals.opened},
          {"closed_total", process.totals.closed},
          {"failed_total", process.totals.failed},
          {"in_use", process.totals.in_use},
          {"in_use_peak", process.totals.in_use_peak},
          {"server_full_total", process.totals.server_full},
          {"unrecorded", process.totals.unrecorded_connections},
          {"taken_up_total", process.totals.uses_noted + process.totals.uses_not_noted},
          {"taken_up_without_place", process.totals.uses_not_noted},
          {"coverage", ToJson(process.coverage)},
          {"attach", NameOf(process.attachment)},
          {"since", Timestamp(process.since_realtime_ns)},
          {"last_seen", Timestamp(process.last_realtime_ns)},
          {"host", process.host_name},
          {"library_version", process.library_version},
          {"run_id",
           process.run_id == 0 ? Json(nullptr) : Json(fmt::format("{:016x}", process.run_id))},
          {"ledger", process.ledger}};
}

Json ToJson(const SourceFrame& frame) {
  Json json = {{"function", TextOrNull(frame.function)},
               {"file", TextOrNull(frame.file)},
               {"line", Known(frame.line)},
               {"column", Known(frame.column)},
               {"inlined", frame.inlined},
               {"module", TextOrNull(frame.module)},
               {"offset", frame.offset},
               {"language", NameOf(frame.language)}};
  if (!frame.build_id.empty()) {
    std::string digits;
    for (const char byte : frame.build_id) {
      digits += fmt::format("{:02x}", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    }
    json["build_id"] = std::move(digits);
  }
  if (!frame.note.empty()) json["note"] = frame.note;
  return json;
}

Json ToJson(const std::optional<Inheritance>& inheritance) {
  if (!inheritance) return nullptr;
  return {{"opener_pid", Known(inheritance->opener_pid)},
          {"touched_by", TextOrNull(inheritance->touched_by)},
          {"touched_site", CallSiteName(inheritance->touched_site)},
          {"finished_here", inheritance->finished_here}};
}

// null: the process's memory was not looked at.
Json ToJson(const ConnectionReach& reach) {
  if (reach.reach == Reach::kNotLookedAt) return nullptr;
  return {{"verdict", NameOf(reach.reach)},
          {"confidence", IsOutOfReach(reach)
                             ? Json(reach.reach == Reach::kLostProven ? "proven" : "likely")
                             : Json(nullptr)},
          {"where", TextOrNull(reach.where)},
          {"note", TextOrNull(reach.missing)}};
}

Json ToJson(const ReportConnection& connection) {
  const Target& target = connection.target;
  return {{"conn", HandleName(connection.handle)},
          {"pid", connection.pid},
          {"tid", connection.tid},
          {"thread_name", connection.thread_name},
          {"host", target.host},
          {"port", Known(target.port)},
          {"dbname", target.dbname},
          {"user", target.user},
          {"application_name", target.application_name},
          {"backend_pid", Known(connection.backend_pid)},
          {"state", NameOf(connection.state)},
          {"transaction", NameOf(connection.transaction)},
          {"in_call", TextOrNull(connection.in_call)},
          {"in_call_s",
           connection.in_call.empty() ? Json(nullptr) : Json(Seconds(connection.in_call_ns))},
          {"age_s", Seconds(connection.age_ns)},
          {"idle_s", Seconds(connection.idle_ns)},
          {"queries", connection.commands},
          {"resets", connection.resets},
          {"last_taken", connection.last_taken
                             ? Json{{"call_site", CallSiteName(connection.last_taken->call_site)},
                                    {"line", connection.last_taken->line}}
                             : Json(nullptr)},
          {"inherited", ToJson(connection.inheritance)},
          {"opened_before_attach", connection.adopted},
          {"reference", ToJson(connection.reach)}};
}

Json ToJson(const ReportCallSite& site);
Json ToJson(const Evidence& evidence);
Json ToJson(const FindingStack& stack);
Json ToJson(const Finding& finding);
Json ToJson(const ReportSource& source);

// A share, to the thousandth.
double Rounded(double share) { return std::round(share * 1'000) / 1'000; }

template <typename Value>
Json ToJsonArray(const std::vector<Value>& values) {
  Json array = Json::array();
  for (const Value& value : values) array.push_back(ToJson(value));
  return array;
}

Json ToJson(const ReportCallSite& site) {
  Json ids = Json::array();
  for (const uint64_t id : site.ids) ids.push_back(CallSiteName(id));
  return {{"id", CallSiteName(site.id)},
          {"ids", std::move(ids)},
          {"processes", site.processes},
          {"open", site.open},
          {"opened_total", site.opened},
          {"closed_total", site.closed},
          {"failed_total", site.failed},
          {"peak", site.peak},
          {"in_use", site.in_use},
          {"in_use_peak", site.in_use_peak},
          {"busy_share", site.busy_share ? Json(Rounded(*site.busy_share)) : Json(nullptr)},
          {"oldest_age_s", OptionalSeconds(site.oldest_age_ns)},
          {"max_idle_s", OptionalSeconds(site.max_idle_ns)},
          {"stack_truncated", site.stack_truncated},
          {"stack_incomplete", site.stack_incomplete},
          {"headline", OrNull(site.headline)},
          {"caller", OrNull(site.caller)},
          {"frames", ToJsonArray(site.frames)},
          {"connections", ToJsonArray(site.connections)},
          {"connections_left_out", site.connections_left_out}};
}

Json ToJson(const Evidence& evidence) {
  return {{"name", evidence.name}, {"number", evidence.number}, {"unit", evidence.unit}};
}

Json ToJson(const FindingStack& stack) {
  return {{"what", stack.what},
          {"call_site", CallSiteName(stack.call_site)},
          {"frames", ToJsonArray(stack.frames)}};
}

Json ToJson(const std::optional<LastTaken>& taken) {
  if (!taken) return nullptr;
  return {{"call_site", CallSiteName(taken->call_site)},
          {"line", taken->line},
          {"connections", taken->connections},
          {"known_of", taken->known}};
}

Json ToJson(const Finding& finding) {
  Json json = {{"kind", finding.kind},
               {"confidence", NameOf(finding.confidence)},
               {"severity", NameOf(finding.severity)},
               {"summary", finding.summary},
               {"call_site", SiteOrNull(finding.call_site)},
               {"evidence", ToJsonArray(finding.evidence)},
               {"advice", finding.advice},
               {"last_taken", ToJson(finding.last_taken)},
               {"stacks", ToJsonArray(finding.stacks)}};
  if (!finding.hosts.empty()) json["hosts"] = finding.hosts;
  return json;
}

Json ToJson(const ReportSource& source) {
  return {{"file", source.name},
          {"host", source.host},
          {"generated_at", Timestamp(source.generated_realtime_ns)},
          {"processes", source.processes}};
}

Json ToJson(const Filter& filter) {
  return {{"min_age_s", OptionalSeconds(filter.min_age_ns)},
          {"min_idle_s", OptionalSeconds(filter.min_idle_ns)},
          {"top", OrNull(filter.top)},
          {"library_paths", filter.library_paths}};
}

}  // namespace

Json ProcessJson(const ReportProcess& process) { return ToJson(process); }
Json ConnectionJson(const ReportConnection& connection) { return ToJson(connection); }
Json FrameJson(const SourceFrame& frame) { return ToJson(frame); }
Json FindingJson(const Finding& finding) { return ToJson(finding); }

namespace {

// What of a process or a call site is not known, or not added up, where reports are merged.
constexpr const char* kOfOneHost[] = {
    "peak",      "in_use", "in_use_peak", "server_full_total", "unrecorded", "coverage", "attach",
    "last_seen", "run_id", "ledger",      "library_version",
};
constexpr const char* kOfOneReport[] = {"busy_share", "connections", "connections_left_out"};

Json ProcessesJson(const Report& report) {
  Json processes = ToJsonArray(report.processes);
  for (size_t i = 0; i < report.processes.size(); ++i) {
    const ReportProcess& process = report.processes[i];
    if (report.merged) {
      for (const char* key : kOfOneHost) processes[i].erase(key);
      continue;
    }
    processes[i]["times"] = {{"create", ToJson(process.times.create)},
                             {"wait", ToJson(process.times.wait)},
                             {"use", ToJson(process.times.use)}};
    processes[i]["history"] = ToJsonArray(process.history);
    processes[i]["failures"] = ToJson(process.failures);
  }
  return processes;
}

Json CallSitesJson(const Report& report) {
  Json sites = ToJsonArray(report.call_sites);
  if (!report.merged) return sites;
  for (size_t i = 0; i < report.call_sites.size(); ++i) {
    for (const char* key : kOfOneReport) sites[i].erase(key);
    sites[i]["hosts"] = report.call_sites[i].hosts;
  }
  return sites;
}

}  // namespace

Json ReportJson(const Report& report) {
  Json json = {{"schema", kReportSchema},
               {"generated_at", Timestamp(report.generated_realtime_ns)},
               {"host", report.host}};
  if (report.merged) json["merged"] = ToJsonArray(report.sources);
  json["incomplete"] = report.incomplete;
  json["processes"] = ProcessesJson(report);
  json["answer"] = {{"verdict", NameOf(report.answer.verdict)},
                    {"sentence", report.answer.sentence}};
  json["findings"] = ToJsonArray(report.findings);
  json["call_sites"] = CallSitesJson(report);
  if (!report.merged) json["filter"] = ToJson(report.filter);
  json["call_sites_left_out"] = report.call_sites_left_out;
  if (report.merged) return json;
  json["server"] = ServerJson(report.server);
  json["caps"] = CapsJson(report.caps);
  return json;
}

void RenderReportJson(const Report& report, std::ostream& out) {
  WriteJson(ReportJson(report), out);
}

void RenderProcessListJson(const ProcessList& list, std::ostream& out) {
  WriteJson({{"schema", "pqleash.ps/1"},
             {"generated_at", Timestamp(list.generated_realtime_ns)},
             {"host", list.host},
             {"incomplete", list.incomplete},
             {"processes", ToJsonArray(list.processes)}},
            out);
}

}  // namespace pqleash::reporter
