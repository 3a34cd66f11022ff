// SPDX-License-Identifier: Apache-2.0
//
// Parses and prints values as people write them. Pure and thread-safe. A parser returns no value
// for invalid text. Functions that return a std::string may throw std::bad_alloc.

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

// Parses a number of decimal digits only, from `low` to `high`.
std::optional<uint32_t> ParseCount(std::string_view text, uint32_t low, uint32_t high);

// Parses a duration with its unit, 'ms', 's', 'm' or 'h', such as '5s' or '250ms'. Returns
// milliseconds, 0 to 86,400,000 (24 hours). A number without a unit is refused, because seconds and
// milliseconds are easily confused.
std::optional<uint32_t> ParseDuration(std::string_view text);

// Prints a duration in the largest unit that gives a whole number: '5s' for 5,000.
std::string ShowDuration(uint32_t milliseconds);

// Parses a rate by the second, minute or hour, such as '50/s' or '0.5/m', with at most six
// decimals. Returns the nanoseconds between two connects, rounded. The range is 0.001/s to
// 1000000/s.
std::optional<uint64_t> ParseRate(std::string_view text);

// Prints a rate: '50/s' for 20,000,000. Chooses the shortest text that ParseRate reads back as
// `interval_ns`, if there is one. 0 is 'none'.
std::string ShowRate(uint64_t interval_ns);

// Parses the id of a call site as reports print it: 1 to 16 hexadecimal digits, not 0.
std::optional<uint64_t> ParseCallSite(std::string_view text);

// Returns the index of `text` in `names`.
template <size_t size>
std::optional<uint32_t> IndexOfName(const char* const (&names)[size], std::string_view text) {
  const auto* name = std::find(names, names + size, text);
  if (name == names + size) return std::nullopt;
  return static_cast<uint32_t>(name - names);
}

// Returns the candidate that is most similar to `name`, or an empty text. The Levenshtein distance
// is at most 3 and at most half of the longer text's length.
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_VALUES_H_
