// SPDX-License-Identifier: Apache-2.0
//
// The words of caps and paces, as in the configuration file. Values come from a board: any number.

#ifndef PQLEASH_REPORTER_WORDS_CAPS_NAMES_H_
#define PQLEASH_REPORTER_WORDS_CAPS_NAMES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/caps/policy.h"

namespace pqleash::reporter {

// 'unknown' for values that there are not.
std::string_view KindName(uint32_t kind);
std::string_view ScopeName(uint32_t scope);
std::string_view OnLimitName(uint32_t on_limit);
std::string_view OnServerFullName(uint32_t on_server_full);

// '5s', '250ms', '2h': in the largest unit that makes a whole number.
std::string ShortDuration(uint64_t milliseconds);

// '50/s' for 20,000,000, '30/m' for two seconds; empty for 0: no rate.
std::string RateText(uint64_t interval_ns);

// '20, wait 5s' of a cap, '50/s burst 5, wait 5s' of a pace.
std::string RuleText(uint32_t kind, const caps::Rule& rule);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_WORDS_CAPS_NAMES_H_
