// SPDX-License-Identifier: Apache-2.0
//
// Formats one event of the log as a JSON object on one line. Pure and thread-safe; no heap, no
// exceptions.

#ifndef PQLEASH_SHIM_LOG_JSON_LINE_H_
#define PQLEASH_SHIM_LOG_JSON_LINE_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "shim/config/config.h"
#include "shim/log/events.h"

namespace pqleash::log {

// One member of the object, in addition to those that every line has. A Field refers to its texts;
// they must live until the call that uses the Field returns.
class Field {
 public:
  static constexpr Field Number(std::string_view key, uint64_t number) {
    return {key, Kind::kNumber, number, {}};
  }
  // A number in thousandths: 2,500 is written as 2.5.
  static constexpr Field Thousandths(std::string_view key, uint64_t thousandths) {
    return {key, Kind::kThousandths, thousandths, {}};
  }
  // A time in nanoseconds, written in seconds with three decimals.
  static constexpr Field Seconds(std::string_view key, uint64_t ns) {
    return Thousandths(key, ns / 1'000'000);
  }
  // The id of a call site as 16 hexadecimal digits, like in reports. 0, an unknown call site, is
  // written as null.
  static constexpr Field CallSite(std::string_view key, uint64_t id) {
    return {key, Kind::kCallSite, id, {}};
  }
  static constexpr Field Flag(std::string_view key, bool flag) {
    return {key, Kind::kFlag, flag ? 1u : 0u, {}};
  }
  // Any bytes; invalid UTF-8 is replaced.
  static constexpr Field Text(std::string_view key, std::string_view text) {
    return {key, Kind::kText, 0, text};
  }

  enum class Kind { kNumber, kThousandths, kCallSite, kFlag, kText };
  std::string_view key;
  Kind kind;
  uint64_t number;
  std::string_view text;  // any bytes

 private:
  constexpr Field(std::string_view a_key, Kind a_kind, uint64_t a_number, std::string_view a_text)
      : key(a_key), kind(a_kind), number(a_number), text(a_text) {}
};

using Fields = std::initializer_list<Field>;

// What every line has.
struct Line {
  uint64_t realtime_ns;
  config::LogLevel level;
  Event event;
  int32_t pid;
  std::string_view service;
  std::string_view message;
};

// Writes the time in UTC as RFC 3339 with milliseconds: '2026-11-21T12:40:03.250Z'.
inline constexpr size_t kTimeSize = 40;
void FormatTime(uint64_t realtime_ns, char (&text)[kTimeSize]);

// Size of a line with its NUL, in bytes.
inline constexpr size_t kJsonLineSize = 3 * 1024;

// Writes `line` with `fields` to `text`, NUL-terminated and without a line feed. Returns the length
// without the NUL. The result is always a complete object. If it would be too long, the message is
// cut and "cut": true is added; the fields are dropped only if that is not enough.
size_t FormatJsonLine(const Line& line, Fields fields, char (&text)[kJsonLineSize]);

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_JSON_LINE_H_
