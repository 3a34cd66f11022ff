// SPDX-License-Identifier: Apache-2.0

#include "reporter/words/caps_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "shim/config/values.h"

namespace pqleash::reporter {
namespace {

// A word of the configuration. The value is another process's.
template <size_t size>
std::string_view Word(const char* const (&names)[size], uint32_t value) {
  return value < size ? names[value] : "unknown";
}

}  // namespace

std::string_view KindName(uint32_t kind) { return Word(caps::kKindNames, kind); }

std::string_view ScopeName(uint32_t scope) { return Word(caps::kScopeNames, scope); }

std::string_view OnLimitName(uint32_t on_limit) { return Word(caps::kOnLimitNames, on_limit); }

std::string_view OnServerFullName(uint32_t on_server_full) {
  return Word(caps::kOnServerFullNames, on_server_full);
}

std::string ShortDuration(uint64_t milliseconds) {
  return config::ShowDuration(static_cast<uint32_t>(std::min<uint64_t>(milliseconds, UINT32_MAX)));
}

std::string RateText(uint64_t interval_ns) {
  return interval_ns == 0 ? std::string() : config::ShowRate(interval_ns);
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

}  // namespace pqleash::reporter
