// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/configuration.h"

#include <fmt/format.h>

#include <span>
#include <string>
#include <vector>

#include "reporter/render/budget.h"
#include "reporter/render/json_values.h"
#include "reporter/render/layout.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/escape.h"
#include "shim/config/policies.h"
#include "shim/config/values.h"

namespace pqleash::reporter {
namespace {

using caps::Policy;
using caps::Rule;

std::span<const config::Effective> Settings(const config::Loaded& loaded) {
  const std::span<const config::Effective> all = loaded.effective;
  return all.first(all.size() - loaded.config.policies.size());
}

const std::string& SourceOf(const config::Loaded& loaded, size_t policy) {
  return loaded.effective[Settings(loaded).size() + policy].source;
}

// Those that somebody set.
std::vector<config::Effective> GivenSettings(const config::Loaded& loaded) {
  std::vector<config::Effective> given;
  for (const config::Effective& setting : Settings(loaded)) {
    if (setting.source != "default") given.push_back(setting);
  }
  return given;
}

std::string_view CountedIn(uint32_t scope) {
  switch (scope) {
    case caps::kScopeProcess:
      return "in each process by itself";
    case caps::kScopeService:
      return "in all processes of the service together";
    default:
      return "in all processes of the user together";
  }
}

// '30 connects a minute' for '30/m'.
std::string InWords(const std::string& rate) {
  const size_t slash = rate.find('/');
  const char unit = rate.back();
  const std::string number = rate.substr(0, slash);
  return fmt::format("{} connect{} {}", number, number == "1" ? "" : "s",
                     unit == 's'   ? "a second"
                     : unit == 'm' ? "a minute"
                                   : "an hour");
}

std::string Allows(const Policy& policy) {
  const Rule& rule = policy.rule;
  if (policy.kind == caps::kCap) {
    return fmt::format("at most {} connection{}", rule.limit, rule.limit == 1 ? "" : "s");
  }
  std::vector<std::string> parts;
  if (rule.interval_ns != 0) {
    parts.push_back(fmt::format("at most {}, {} at once",
                                InWords(config::ShowRate(rule.interval_ns)), rule.burst));
  }
  if (rule.on_server_full == caps::kFullBackoff) {
    parts.emplace_back("one connect at a time, at growing intervals, while the server is full");
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string OnLimit(const Policy& policy) {
  const Rule& rule = policy.rule;
  if (rule.on_limit == caps::kWarn) return "warn: it goes on, and is counted";
  if (rule.on_limit == caps::kReject) return "reject: it is refused at once";
  std::string text = fmt::format("wait for up to {}, then it is refused",
                                 config::ShowDuration(rule.wait_timeout_ms));
  if (rule.max_waiting != 0) {
    text += fmt::format("; refused at once where {} wait", rule.max_waiting);
  }
  return text + fmt::format("; an asynchronous one that cannot wait is {}",
                            policy.async_fallback == caps::kFallbackAdmit ? "admitted" : "refused");
}

void WritePolicy(const Policy& policy, const std::string& source, const Style& style,
                 std::ostream& out) {
  out << fmt::format("  {} {}  {}\n", caps::kKindNames[policy.kind],
                     style.Bold(Escape(policy.name)), style.Dim(Escape(source)));
  WriteWrapped("    allows:  ", Allows(policy), out);
  WriteWrapped("    counted: ", CountedIn(policy.scope), out);
  WriteWrapped("    beyond:  ", OnLimit(policy), out);
  std::vector<std::string> matchers;
  for (const auto& [key, value] : config::Matchers(policy)) {
    matchers.push_back(Escape(fmt::format("{}={}", key, value)));
  }
  if (matchers.empty()) matchers.emplace_back("every connection");
  WriteItems("    for:     ", matchers, out);
}

void WritePolicies(const config::Loaded& loaded, const Style& style, std::ostream& out) {
  const std::vector<Policy>& policies = loaded.config.policies;
  if (policies.empty()) {
    out << "No cap and no pace: the library observes only.\n";
    return;
  }
  out << fmt::format("Caps and paces ({})\n", policies.size());
  for (size_t i = 0; i < policies.size(); ++i) {
    WritePolicy(policies[i], SourceOf(loaded, i), style, out);
  }
}

Json ToJson(const Policy& policy, const std::string& source) {
  const Rule& rule = policy.rule;
  const bool cap = policy.kind == caps::kCap;
  const bool waits = rule.on_limit == caps::kWait;
  const bool paced = rule.interval_ns != 0;
  const Json none = nullptr;
  return {
      {"kind", caps::kKindNames[policy.kind]},
      {"name", policy.name},
      {"source", source},
      {"scope", caps::kScopeNames[policy.scope]},
      {"limit", cap ? Json(rule.limit) : none},
      {"rate", paced ? Json(config::ShowRate(rule.interval_ns)) : none},
      {"burst", paced ? Json(rule.burst) : none},
      {"on_server_full", cap ? none : Json(caps::kOnServerFullNames[rule.on_server_full])},
      {"on_limit", caps::kOnLimitNames[rule.on_limit]},
      {"wait_timeout_ms", waits ? Json(rule.wait_timeout_ms) : none},
      {"max_waiting", waits && rule.max_waiting != 0 ? Json(rule.max_waiting) : none},
      {"async_fallback", waits ? Json(caps::kAsyncFallbackNames[policy.async_fallback]) : none},
      {"host", TextOrNull(policy.host)},
      {"port", TextOrNull(policy.port)},
      {"dbname", TextOrNull(policy.dbname)},
      {"user", TextOrNull(policy.user)},
      {"application_name", TextOrNull(policy.application_name)},
      {"call_site", policy.call_site == 0 ? none : Json(CallSiteName(policy.call_site))},
  };
}

void WriteConfiguration(const config::Loaded& loaded, const Style& style, std::ostream& out) {
  if (!loaded.problems.empty()) {
    for (const std::string& problem : loaded.problems) out << Escape(problem) << '\n';
    return;
  }
  const std::vector<config::Effective> settings = GivenSettings(loaded);
  if (loaded.file.empty() && settings.empty()) {
    out << "Nothing is configured: no file, and no PQLEASH_ variable with a setting. The library "
           "observes only.\n";
    return;
  }
  if (!loaded.file.empty()) out << Escape(loaded.file) << ": no problem\n";
  WritePolicies(loaded, style, out);
  if (settings.empty()) return;
  out << fmt::format("Settings ({})\n", settings.size());
  for (const config::Effective& setting : settings) {
    out << fmt::format("  {} = {}  {}\n", setting.name, Escape(setting.value),
                       style.Dim(Escape(setting.source)));
  }
}

}  // namespace

void RenderConfigurationText(const config::Loaded& loaded,
                             const std::optional<CheckedServer>& server, bool colour,
                             std::ostream& out) {
  const Style style(colour);
  WriteConfiguration(loaded, style, out);
  if (server) WriteBudgetText(server->view, server->budget, style, out);
}

void RenderConfigurationJson(const config::Loaded& loaded,
                             const std::optional<CheckedServer>& server,
                             uint64_t generated_realtime_ns, std::ostream& out) {
  Json policies = Json::array();
  for (size_t i = 0; i < loaded.config.policies.size(); ++i) {
    policies.push_back(ToJson(loaded.config.policies[i], SourceOf(loaded, i)));
  }
  Json settings = Json::array();
  for (const config::Effective& setting : GivenSettings(loaded)) {
    settings.push_back(
        {{"name", setting.name}, {"value", setting.value}, {"source", setting.source}});
  }
  const Json json = {{"schema", "pqleash.check/1"},
                     {"generated_at", Timestamp(generated_realtime_ns)},
                     {"file", TextOrNull(loaded.file)},
                     {"problems", loaded.problems},
                     {"policies", std::move(policies)},
                     {"settings", std::move(settings)},
                     {"server", server ? BudgetJson(server->view, server->budget) : Json(nullptr)}};
  WriteJson(json, out);
}

}  // namespace pqleash::reporter
