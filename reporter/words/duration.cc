// SPDX-License-Identifier: Apache-2.0

#include "reporter/words/duration.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace pqleash::reporter {
namespace {

std::string TwoUnits(uint64_t ns, uint64_t unit, char name, uint64_t next, char next_name) {
  const uint64_t rest = ns % unit / next;
  if (rest == 0) return fmt::format("{}{}", ns / unit, name);
  return fmt::format("{}{} {}{}", ns / unit, name, rest, next_name);
}

}  // namespace

std::string HumanDuration(uint64_t ns) {
  if (ns >= kDay) return TwoUnits(ns, kDay, 'd', kHour, 'h');
  if (ns >= kHour) return TwoUnits(ns, kHour, 'h', kMinute, 'm');
  if (ns >= kMinute) return TwoUnits(ns, kMinute, 'm', kSecond, 's');
  if (ns >= 10 * kSecond) return fmt::format("{} s", ns / kSecond);
  const uint64_t tenths = ns / (kSecond / 10);
  if (tenths % 10 == 0) return fmt::format("{} s", tenths / 10);
  return fmt::format("{}.{} s", tenths / 10, tenths % 10);
}

std::optional<uint64_t> ParseDuration(std::string_view text) {
  constexpr std::pair<std::string_view, uint64_t> kUnits[] = {
      {"ms", kMillisecond}, {"s", kSecond}, {"m", kMinute}, {"h", kHour}, {"d", kDay}};
  double number = 0;
  const auto [rest, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number) || std::signbit(number)) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(rest - text.data()));
  for (const auto& [name, size] : kUnits) {
    if (unit != name) continue;
    const double ns = number * static_cast<double>(size);
    if (ns >= static_cast<double>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<uint64_t>(std::llround(ns));
  }
  return std::nullopt;
}

}  // namespace pqleash::reporter
