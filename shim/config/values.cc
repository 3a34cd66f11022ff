// SPDX-License-Identifier: Apache-2.0

#include "shim/config/values.h"

#include <fmt/format.h>

#include <charconv>
#include <numeric>

namespace pqleash::config {

namespace {

size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, substituted});
    }
  }
  return row.back();
}

// The units of a duration, in ascending order.
struct TimeUnit {
  const char* name;
  uint32_t milliseconds;
};
constexpr TimeUnit kTimeUnits[] = {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}};

// The units of a rate.
struct RateUnit {
  char name;
  uint64_t nanoseconds;
};
constexpr RateUnit kRateUnits[] = {
    {'s', 1'000'000'000}, {'m', 60'000'000'000}, {'h', 3'600'000'000'000}};

// Rates are calculated in millionths.
constexpr uint64_t kMillion = 1'000'000;
constexpr size_t kRateDecimals = 6;

bool AreDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Returns 12,500,000 for '12.5'. Accepts at most 10 digits before the point, so that no product in
// ParseRate overflows.
std::optional<uint64_t> ParseMillionths(std::string_view text) {
  const size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  if (!AreDigits(whole) || whole.size() > 10) return std::nullopt;
  std::string digits(whole);
  if (point != text.size()) {
    const std::string_view decimals = text.substr(point + 1);
    if (!AreDigits(decimals) || decimals.size() > kRateDecimals) return std::nullopt;
    digits += decimals;
  }
  digits.resize(whole.size() + kRateDecimals, '0');
  uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

// Returns the text of `millionths`, rounded to `decimals` digits after the point.
std::string ShowMillionths(uint64_t millionths, size_t decimals) {
  uint64_t step = 1;
  for (size_t i = decimals; i < kRateDecimals; ++i) step *= 10;
  const uint64_t rounded = (millionths + step / 2) / step;
  if (decimals == 0) return fmt::format("{}", rounded);
  const uint64_t one = kMillion / step;
  return fmt::format("{}.{:0{}}", rounded / one, rounded % one, decimals);
}

}  // namespace

std::optional<uint32_t> ParseCount(std::string_view text, uint32_t low, uint32_t high) {
  uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < low || value > high) return std::nullopt;
  return value;
}

std::optional<uint32_t> ParseDuration(std::string_view text) {
  static constexpr uint64_t kMaximum = 24 * 3'600'000;
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = ParseCount(text.substr(0, digits), 0, UINT32_MAX);
  if (!number) return std::nullopt;
  for (const TimeUnit& unit : kTimeUnits) {
    if (text.substr(digits) != unit.name) continue;
    const uint64_t total = uint64_t{*number} * unit.milliseconds;
    if (total > kMaximum) return std::nullopt;
    return static_cast<uint32_t>(total);
  }
  return std::nullopt;
}

std::string ShowDuration(uint32_t milliseconds) {
  const TimeUnit* unit = kTimeUnits;
  for (const TimeUnit& larger : kTimeUnits) {
    if (milliseconds != 0 && milliseconds % larger.milliseconds == 0) unit = &larger;
  }
  return fmt::format("{}{}", milliseconds / unit->milliseconds, unit->name);
}

std::optional<uint64_t> ParseRate(std::string_view text) {
  if (text.size() < 3 || text[text.size() - 2] != '/') return std::nullopt;
  const auto millionths = ParseMillionths(text.substr(0, text.size() - 2));
  if (!millionths) return std::nullopt;
  for (const RateUnit& unit : kRateUnits) {
    if (text.back() != unit.name) continue;
    const uint64_t dividend = unit.nanoseconds * kMillion;  // at most 3.6e18
    const bool too_slow = *millionths < unit.nanoseconds / kMillion;
    const bool too_fast = *millionths * 1'000 > dividend;
    if (too_slow || too_fast) return std::nullopt;
    return (dividend + *millionths / 2) / *millionths;
  }
  return std::nullopt;
}

std::string ShowRate(uint64_t interval_ns) {
  const auto in_unit = [&](const RateUnit& unit, size_t decimals) {
    const uint64_t millionths = (unit.nanoseconds * kMillion + interval_ns / 2) / interval_ns;
    return fmt::format("{}/{}", ShowMillionths(millionths, decimals), unit.name);
  };
  if (interval_ns == 0) return "none";
  for (size_t decimals = 0; decimals < kRateDecimals; ++decimals) {
    for (const RateUnit& unit : kRateUnits) {
      std::string text = in_unit(unit, decimals);
      if (ParseRate(text) == interval_ns) return text;
    }
  }
  return in_unit(kRateUnits[0], kRateDecimals);
}

std::optional<uint64_t> ParseCallSite(std::string_view text) {
  if (text.size() > 16) return std::nullopt;
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || stop != end || value == 0) return std::nullopt;
  return value;
}

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  // Longer than any key with a typing error in it. The bound matters because the comparison takes
  // time proportional to the product of the lengths.
  constexpr size_t kLongest = 64;
  if (name.size() > kLongest) return {};
  std::string nearest;
  size_t best = 4;
  for (const std::string& candidate : candidates) {
    const size_t distance = Distance(name, candidate);
    if (distance < best && 2 * distance <= std::max(name.size(), candidate.size())) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace pqleash::config
