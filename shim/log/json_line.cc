// SPDX-License-Identifier: Apache-2.0

#include "shim/log/json_line.h"

#include <chrono>
#include <cinttypes>
#include <cstdio>

#include "shim/support/json_text.h"

namespace pqleash::log {

namespace {

constexpr const char* kLevelNames[] = {"debug", "info", "warn", "error", "off"};

void Add(const Field& field, JsonText* json) {
  char digits[17];
  switch (field.kind) {
    case Field::Kind::kNumber:
      return json->Number(field.key, field.number);
    case Field::Kind::kThousandths:
      return json->Seconds(field.key, field.number * 1'000'000);
    case Field::Kind::kFlag:
      return json->Flag(field.key, field.number != 0);
    case Field::Kind::kText:
      return json->String(field.key, field.text);
    case Field::Kind::kCallSite:
      if (field.number == 0) return json->Null(field.key);
      snprintf(digits, sizeof(digits), "%016" PRIx64, field.number);
      return json->String(field.key, digits);
  }
}

size_t Format(const Line& line, Fields fields, bool cut, char (&text)[kJsonLineSize]) {
  char time[kTimeSize];
  FormatTime(line.realtime_ns, time);
  BoundedText out(text, sizeof(text));
  JsonText json(&out);
  json.BeginObject();
  json.String("time", time);
  json.String("level", kLevelNames[static_cast<size_t>(line.level)]);
  json.String("event", NameOf(line.event));
  json.Signed("pid", line.pid);
  json.String("service", line.service);
  for (const Field& field : fields) Add(field, &json);
  json.String("message", line.message);
  if (cut) json.Flag("cut", true);
  json.EndObject();
  return out.length();
}

}  // namespace

// Calculates the date itself. gmtime_r would make libc read the host's TZ.
void FormatTime(uint64_t realtime_ns, char (&text)[kTimeSize]) {
  using std::chrono::days;
  using std::chrono::milliseconds;
  const milliseconds since_epoch(realtime_ns / 1'000'000);
  const auto day = std::chrono::floor<days>(since_epoch);
  const std::chrono::year_month_day date{std::chrono::sys_days(day)};
  const auto ms = static_cast<unsigned>((since_epoch - day).count());
  snprintf(text, sizeof(text), "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", int{date.year()},
           unsigned{date.month()}, unsigned{date.day()}, ms / 3'600'000, ms / 60'000 % 60,
           ms / 1'000 % 60, ms % 1'000);
}

size_t FormatJsonLine(const Line& line, Fields fields, char (&text)[kJsonLineSize]) {
  Line fitting = line;
  size_t length = Format(fitting, fields, false, text);
  while (length >= sizeof(text) && !fitting.message.empty()) {
    fitting.message = fitting.message.substr(0, fitting.message.size() / 2);
    // The cut must not split a UTF-8 character.
    while (!fitting.message.empty() && (line.message[fitting.message.size()] & 0xc0) == 0x80)
      fitting.message.remove_suffix(1);
    length = Format(fitting, fields, true, text);
  }
  if (length < sizeof(text)) return length;
  // The fields are too long as well: other programs chose these names, and every byte is a control
  // character that takes six in JSON.
  return Format(fitting, {}, true, text);
}

}  // namespace pqleash::log
