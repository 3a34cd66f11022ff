// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_WORDS_UTC_TIME_H_
#define PQLEASH_REPORTER_WORDS_UTC_TIME_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pqleash::reporter {

// UTC: '2026-11-21 12:40:03'; '?' for 0 and for times beyond the calendar.
std::string UtcTime(uint64_t realtime_ns);

// RFC 3339, UTC, with milliseconds: '2026-11-21T12:40:03.250Z'; empty for 0 and for times beyond
// the calendar.
std::string Rfc3339(uint64_t realtime_ns);

// The other way round. No value: not a time as Rfc3339 writes it, or before 1970.
std::optional<uint64_t> ParseRfc3339(std::string_view text);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_WORDS_UTC_TIME_H_
