// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/advice_json.h"

#include <cmath>
#include <optional>
#include <utility>

#include "reporter/render/json_values.h"
#include "reporter/snapshot/names.h"

namespace pqleash::reporter {
namespace {

double Rounded(double number) { return std::round(number * 1'000) / 1'000; }

Json Share(const std::optional<double>& share) {
  return share ? Json(Rounded(*share)) : Json(nullptr);
}

Json ToJson(const Peak& peak) {
  return {{"connections", peak.connections}, {"at", Timestamp(peak.realtime_ns)}};
}

Json ToJson(const TimeSummary& times) {
  return {{"count", times.count},
          {"mean_s", static_cast<double>(times.mean_ns / 1'000) / 1e6},
          {"p95_at_most_s", static_cast<double>(times.p95_ns / 1'000) / 1e6}};
}

Json ToJson(const Demand& demand, bool limit_binds) {
  return {
      {"processes", demand.processes},
      {"observed_s", Seconds(demand.observed_ns)},
      {"open", demand.open},
      {"open_peak", demand.open_peak},
      {"in_use", demand.in_use},
      {"in_use_peak", ToJson(demand.in_use_peak)},
      {"in_use_peak_of_one_process", ToJson(demand.process_peak)},
      {"forgotten_in_transaction", demand.forgotten},
      {"window_s", Seconds(demand.window_ns)},
      {"busy_share", Share(demand.busy_share)},
      {"uses_per_s", Rounded(demand.uses_per_s)},
      {"connects_per_s", Rounded(demand.connects_per_s)},
      {"use", ToJson(demand.use)},
      {"wait", ToJson(demand.wait)},
      {"usual_life_s", demand.closed == 0 ? Json(nullptr) : Json(Seconds(demand.usual_life_ns))},
      {"short_lived", demand.short_lived},
      {"needed_by_littles_law", Known(demand.little)},
      {"held_back", demand.held_back},
      {"limit_binds", limit_binds},
      {"server_full", demand.server_full},
      {"held_when_full", Known(demand.held_when_full)}};
}

Json ToJson(const CallSiteAdvice& site) {
  return {{"id", CallSiteName(site.id)},
          {"place", TextOrNull(site.place)},
          {"open", site.open},
          {"peak", site.peak},
          {"in_use_peak", site.in_use_peak},
          {"opened_total", site.opened},
          {"busy_share", Share(site.busy_share)},
          {"connects_per_s", Rounded(site.connects_per_s)},
          {"limit", Known(site.limit)}};
}

Json ToJson(const ProposedCap& cap, bool needed) {
  return {{"name", cap.name},
          {"scope", cap.scope},
          {"call_site", cap.call_site == 0 ? Json(nullptr) : Json(CallSiteName(cap.call_site))},
          {"limit", cap.limit},
          {"enough", cap.enough},
          {"needed", needed},
          {"live", cap.live},
          {"on_limit", "wait"},
          {"wait_timeout_s", cap.wait_timeout_s},
          {"in_force", TextOrNull(cap.existing)},
          {"arithmetic", cap.arithmetic}};
}

// Stable, as the schema's other words.
const char* NameOf(Case it) {
  switch (it) {
    case Case::kVictim:
      return "victim";
    case Case::kFlood:
      return "flood";
    case Case::kHoard:
      return "hoard";
    case Case::kFullLeak:
      return "leak-fills-server";
    case Case::kLeak:
      return "leak";
    case Case::kQueue:
      return "cap-too-small";
    case Case::kTooSmall:
      return "too-small";
    case Case::kSlower:
      return "slower";
    case Case::kSurplus:
      return "too-many";
    case Case::kFine:
      break;
  }
  return "fine";
}

Json ToJson(const ServiceAdvice& service) {
  Json call_sites = Json::array();
  for (const CallSiteAdvice& site : service.call_sites) call_sites.push_back(ToJson(site));
  Json caps = Json::array();
  for (const ProposedCap& cap : service.caps) caps.push_back(ToJson(cap, service.needed));
  const auto& little = service.little_data;
  return {{"service", service.service},
          {"measured", ToJson(service.demand, service.situation.it == Case::kTooSmall)},
          {"situation", NameOf(service.situation.it)},
          {"needed", service.needed},
          {"summary", service.summary},
          {"at_once", service.at_once},
          {"idle_backends", service.idle_backends},
          {"call_sites", std::move(call_sites)},
          {"little_data", TextOrNull(little)},
          {"caps", std::move(caps)},
          {"notes", service.notes}};
}

}  // namespace

void RenderAdviceJson(const Advice& advice, std::ostream& out) {
  Json services = Json::array();
  for (const ServiceAdvice& service : advice.services) services.push_back(ToJson(service));
  WriteJson({{"schema", "pqleash.advice/1"},
             {"generated_at", Timestamp(advice.generated_realtime_ns)},
             {"generated", Timestamp(advice.generated_realtime_ns)},  // its earlier name
             {"host", advice.host},
             {"headroom_percent", advice.options.headroom_percent},
             {"max", OrNull(advice.options.max)},
             {"sum", advice.sum},
             {"shares", advice.shares},
             {"services", std::move(services)},
             {"incomplete", advice.incomplete}},
            out);
}

}  // namespace pqleash::reporter
