// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_WORDS_DURATION_H_
#define PQLEASH_REPORTER_WORDS_DURATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pqleash::reporter {

// In ns.
inline constexpr uint64_t kMillisecond = 1'000'000;
inline constexpr uint64_t kSecond = 1'000 * kMillisecond;
inline constexpr uint64_t kMinute = 60 * kSecond;
inline constexpr uint64_t kHour = 60 * kMinute;
inline constexpr uint64_t kDay = 24 * kHour;

// The two largest units: '0.2 s', '45 s', '4m 12s', '3h 5m', '2d 4h'.
std::string HumanDuration(uint64_t ns);

// '250ms', '30s', '1.5h', '2d': a number and one of ms, s, m, h, d. In ns; no value: not a
// duration, or beyond 292 years.
std::optional<uint64_t> ParseDuration(std::string_view text);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_WORDS_DURATION_H_
