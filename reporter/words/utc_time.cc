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

}  // namespace pqleash::reporter
