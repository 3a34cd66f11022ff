// SPDX-License-Identifier: Apache-2.0
//
// Values as people write them. Pure; bad text gives no value.

#ifndef PQLEASH_SHIM_CONFIG_VALUES_H_
#define PQLEASH_SHIM_CONFIG_VALUES_H_

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

// The candidate that is most like `name` (Levenshtein distance at most 3), or empty.
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_VALUES_H_
