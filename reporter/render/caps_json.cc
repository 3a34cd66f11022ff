// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/caps_json.h"

#include <string>
#include <vector>

#include "reporter/render/json_values.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/caps_names.h"
#include "reporter/words/duration.h"
#include "shim/config/policies.h"

namespace pqleash::reporter {
namespace {

Json ToJson(uint32_t kind, const caps::Rule& rule) {
  Json json = Json::object();
  if (kind == caps::kCap) {
    json["limit"] = rule.limit;
  } else {
    json["rate_per_s"] =
        rule.interval_ns == 0
            ? Json(nullptr)
            : Json(static_cast<double>(kSecond) / static_cast<double>(rule.interval_ns));
    json["burst"] = rule.burst;
    json["on_server_full"] = OnServerFullName(rule.on_server_full);
  }
  json["on_limit"] = OnLimitName(rule.on_limit);
  json["wait_timeout_s"] = static_cast<double>(rule.wait_timeout_ms) / 1'000;
  json["max_waiting"] = Known(rule.max_waiting);
  return json;
}

void AddCounters(const PolicyCounters& counters, const std::optional<uint64_t>& oldest_wait_ns,
                 Json* json) {
  (*json)["use"] = counters.use;
  (*json)["peak"] = counters.peak;
  (*json)["waiting"] = counters.waiting;
  (*json)["oldest_wait_s"] = OptionalSeconds(oldest_wait_ns);
  (*json)["admitted_total"] = counters.admitted;
  (*json)["warned_total"] = counters.warned;
  (*json)["waited_total"] = counters.waited;
  (*json)["refused_total"] = counters.refused + counters.timed_out;
  (*json)["timed_out_total"] = counters.timed_out;
  (*json)["longest_wait_s"] = Seconds(counters.longest_wait_ns);
  (*json)["server_full_total"] = counters.server_full_count;
}

Json ToJson(const CapsProcess& process) {
  Json json = {{"pid", process.pid}, {"service", process.service}};
  AddCounters(process.counters, process.oldest_wait_ns, &json);
  return json;
}

Json ToJson(const CapsHolder& holder) {
  return {{"pid", holder.pid},
          {"service", holder.service},
          {"call_site", CallSiteName(holder.call_site)},
          {"label", holder.label},
          {"count", holder.count},
          {"oldest_age_s", Seconds(holder.oldest_age_ns)},
          {"ended", holder.ended}};
}

Json ToJson(const CapsWaiter& waiter) {
  return {{"pid", waiter.pid},
          {"service", waiter.service},
          {"call_site", CallSiteName(waiter.call_site)},
          {"label", waiter.label},
          {"waiting_s", Seconds(waiter.waiting_ns)},
          {"left_s", Seconds(waiter.left_ns)}};
}

Json ToJson(const CapsBoard& board) {
  return {{"path", board.path},
          {"pid_namespace", Known(board.pid_namespace)},
          {"processes", board.processes},
          {"uncounted_total", board.uncounted},
          {"repairs_total", board.repairs}};
}

Json ToJson(const CapsPolicy& shown);

template <typename Value>
Json ToJsonArray(const std::vector<Value>& values) {
  Json array = Json::array();
  for (const Value& value : values) array.push_back(ToJson(value));
  return array;
}

Json ServerFull(const CapsPolicy& shown) {
  if (!shown.server_full_ns) return nullptr;
  const PolicyCounters& counters = shown.policy.counters;
  return {{"for_s", Seconds(*shown.server_full_ns)},
          {"failed_tries", counters.probes},
          {"trying", counters.probing},
          {"next_try_in_s", Seconds(shown.next_try_ns)}};
}

Json ToJson(const CapsPolicy& shown) {
  const BoardPolicy& policy = shown.policy;
  Json matchers = Json::object();
  for (const auto& [key, glob] : config::Matchers(policy.filed)) matchers[std::string(key)] = glob;
  Json json = {
      {"name", std::string(policy.filed.name)},
      {"kind", KindName(policy.filed.kind)},
      {"scope", ScopeName(policy.filed.scope)},
      {"service", TextOrNull(policy.service)},
      {"board", shown.board},
      {"origin", policy.from_operator ? "operator" : "config"},
      {"matchers", std::move(matchers)},
      {"rule", ToJson(policy.filed.kind, policy.rule)},
      {"overridden", policy.overridden},
      {"filed_rule", ToJson(policy.filed.kind, policy.filed.rule)},
      {"changed_by", Known(policy.changed_by)},
  };
  AddCounters(policy.counters, shown.oldest_wait_ns, &json);
  json["at_limit_s"] = OptionalSeconds(shown.at_limit_ns);
  json["server_full"] = ServerFull(shown);
  json["processes"] = ToJsonArray(shown.processes);
  json["holders"] = ToJsonArray(shown.holders);
  json["waiters"] = ToJsonArray(shown.waiters);
  return json;
}

}  // namespace

Json CapsJson(const std::vector<CapsPolicy>& policies) { return ToJsonArray(policies); }

void RenderCapsJson(const CapsReport& report, std::ostream& out) {
  WriteJson({{"schema", "pqleash.caps/1"},
             {"generated_at", Timestamp(report.generated_realtime_ns)},
             {"host", report.host},
             {"incomplete", report.incomplete},
             {"policies", ToJsonArray(report.policies)},
             {"boards", ToJsonArray(report.boards)}},
            out);
}

}  // namespace pqleash::reporter
