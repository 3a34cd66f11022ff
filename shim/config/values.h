// SPDX-License-Identifier: Apache-2.0
//
// Values as people write them. Pure; bad text gives no value.

#ifndef PQLEASH_SHIM_CONFIG_VALUES_H_
#define PQLEASH_SHIM_CONFIG_VALUES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::config {

// Decimal digits alone, within [low, high].
std::optional<uint32_t> ParseCount(std::string_view text, uint32_t low, uint32_t high);

// A number and its unit, 'ms', 's', 'm' or 'h', as in '5s' or '250ms': milliseconds. A number alone
// is refused: seconds and milliseconds are too easily mistaken. At most 24 hours.
std::optional<uint32_t> ParseDuration(std::string_view text);

// '5s' for 5,000: in the largest unit that makes a whole number.
std::string ShowDuration(uint32_t milliseconds);

// So many a second, minute or hour, as in '50/s' or '0.5/m', with at most six decimals: nanoseconds
// for one, rounded. From 0.001/s to 1000000/s.
std::optional<uint64_t> ParseRate(std::string_view text);

// '50/s' for 20,000,000: the shortest that ParseRate reads as the same, where there is one.
std::string ShowRate(uint64_t interval_ns);

// 1 to 16 hexadecimal digits, not 0: the id of a call site as reports have it.
std::optional<uint64_t> ParseCallSite(std::string_view text);

// The index of `text` in `names`.
template <size_t size>
std::optional<uint32_t> IndexOfName(const char* const (&names)[size], std::string_view text) {
  const auto* name = std::find(names, names + size, text);
  if (name == names + size) return std::nullopt;
  return static_cast<uint32_t>(name - names);
}

// The candidate that is most like `name`, or empty: Levenshtein distance at most 3 and at most half
// of the longer one's length.
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_VALUES_H_
