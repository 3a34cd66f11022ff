// SPDX-License-Identifier: Apache-2.0

#include "shim/config/values.h"

#include <algorithm>
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

}  // namespace

std::optional<uint32_t> ParseCount(std::string_view text, uint32_t low, uint32_t high) {
  uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < low || value > high) return std::nullopt;
  return value;
}

std::optional<uint32_t> ParseDuration(std::string_view text) {
  struct Unit {
    std::string_view name;
    uint64_t milliseconds;
  };
  static constexpr Unit kUnits[] = {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}};
  static constexpr uint64_t kMaximum = 24 * 3'600'000;
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = ParseCount(text.substr(0, digits), 0, UINT32_MAX);
  if (!number) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (text.substr(digits) != unit.name) continue;
    const uint64_t total = *number * unit.milliseconds;
    if (total > kMaximum) return std::nullopt;
    return static_cast<uint32_t>(total);
  }
  return std::nullopt;
}

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  std::string nearest;
  size_t best = 4;
  for (const std::string& candidate : candidates) {
    const size_t distance = Distance(name, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace pqleash::config
