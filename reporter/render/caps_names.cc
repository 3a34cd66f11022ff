// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/caps_names.h"

#include <fmt/format.h>

#include <cstddef>

#include "reporter/duration.h"
#include "reporter/render/names.h"

namespace pqleash::reporter {
namespace {

template <size_t size>
std::string_view Pick(const std::string_view (&names)[size], uint32_t value) {
  return value < size && !names[value].empty() ? names[value] : "unknown";
}

}  // namespace

std::string_view KindName(uint32_t kind) {
  static constexpr std::string_view kNames[] = {"", "cap", "pace"};
  return Pick(kNames, kind);
}

std::string_view ScopeName(uint32_t scope) {
  static constexpr std::string_view kNames[] = {"", "process", "service", "user"};
  return Pick(kNames, scope);
}

std::string_view OnLimitName(uint32_t on_limit) {
  static constexpr std::string_view kNames[] = {"warn", "wait", "reject"};
  return Pick(kNames, on_limit);
}

std::string_view OnServerFullName(uint32_t on_server_full) {
  static constexpr std::string_view kNames[] = {"ignore", "backoff"};
  return Pick(kNames, on_server_full);
}

std::string ShortDuration(uint64_t milliseconds) {
  constexpr std::pair<std::string_view, uint64_t> kUnits[] = {
      {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}};
  for (const auto& [name, size] : kUnits) {
    if (milliseconds != 0 && milliseconds % size == 0) {
      return fmt::format("{}{}", milliseconds / size, name);
    }
  }
  return fmt::format("{}ms", milliseconds);
}

std::string RateText(uint64_t interval_ns) {
  if (interval_ns == 0) return {};
  constexpr std::pair<char, uint64_t> kUnits[] = {{'s', kSecond}, {'m', kMinute}, {'h', kHour}};
  for (const auto& [name, size] : kUnits) {
    if (interval_ns > size && name != 'h') continue;
    return fmt::format("{:.6g}/{}", static_cast<double>(size) / static_cast<double>(interval_ns),
                       name);
  }
  return {};
}

std::string RuleText(uint32_t kind, const caps::Rule& rule) {
  std::string text;
  if (kind == caps::kCap) {
    text = std::to_string(rule.limit);
  } else if (rule.interval_ns != 0) {
    text = fmt::format("{} burst {}", RateText(rule.interval_ns), rule.burst);
  }
  if (rule.on_server_full == caps::kFullBackoff) {
    text += text.empty() ? "back-off" : ", back-off";
  }
  text += fmt::format("{}{}", text.empty() ? "" : ", ", OnLimitName(rule.on_limit));
  if (rule.on_limit != caps::kWait) return text;
  text += " " + ShortDuration(rule.wait_timeout_ms);
  if (rule.max_waiting != 0) text += fmt::format(", at most {} waiting", rule.max_waiting);
  return text;
}

std::vector<std::pair<std::string_view, std::string>> Matchers(const caps::Policy& policy) {
  std::vector<std::pair<std::string_view, std::string>> matchers;
  const auto add = [&](std::string_view key, const char* pattern) {
    if (pattern[0] != '\0') matchers.emplace_back(key, pattern);
  };
  add("host", policy.host);
  add("port", policy.port);
  add("dbname", policy.dbname);
  add("user", policy.user);
  add("application_name", policy.application_name);
  if (policy.call_site != 0) matchers.emplace_back("call_site", CallSiteName(policy.call_site));
  return matchers;
}

}  // namespace pqleash::reporter
