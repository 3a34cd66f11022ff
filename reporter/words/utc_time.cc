// SPDX-License-Identifier: Apache-2.0

#include "reporter/words/utc_time.h"

#include <fmt/format.h>

#include <ctime>

#include "reporter/words/duration.h"

namespace pqleash::reporter {

std::string UtcTime(uint64_t realtime_ns) {
  const auto seconds = static_cast<time_t>(realtime_ns / kSecond);
  struct tm parts;
  if (realtime_ns == 0 || gmtime_r(&seconds, &parts) == nullptr) return "?";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string Rfc3339(uint64_t realtime_ns) {
  const auto seconds = static_cast<time_t>(realtime_ns / kSecond);
  struct tm parts;
  if (realtime_ns == 0 || gmtime_r(&seconds, &parts) == nullptr) return {};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     realtime_ns % kSecond / kMillisecond);
}

std::optional<uint64_t> ParseRfc3339(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00.000Z";
  if (text.size() != kShape.size()) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return std::nullopt;
  }
  const auto number = [&](size_t at, size_t size) {
    int value = 0;
    for (const char digit : text.substr(at, size)) value = 10 * value + (digit - '0');
    return value;
  };
  struct tm parts = {};
  parts.tm_year = number(0, 4) - 1900;
  parts.tm_mon = number(5, 2) - 1;
  parts.tm_mday = number(8, 2);
  parts.tm_hour = number(11, 2);
  parts.tm_min = number(14, 2);
  parts.tm_sec = number(17, 2);
  const time_t seconds = timegm(&parts);
  if (seconds < 0) return std::nullopt;
  const uint64_t realtime_ns = static_cast<uint64_t>(seconds) * kSecond +
                               static_cast<uint64_t>(number(20, 3)) * kMillisecond;
  // The calendar has no 31st of February, which timegm takes for the 3rd of March.
  // A nanosecond later it is the same text, and not 0, which is no time.
  if (Rfc3339(realtime_ns + 1) != text) return std::nullopt;
  return realtime_ns;
}

}  // namespace pqleash::reporter
