// SPDX-License-Identifier: Apache-2.0
//
// What the JSON documents have in common.

#ifndef PQLEASH_REPORTER_RENDER_JSON_VALUES_H_
#define PQLEASH_REPORTER_RENDER_JSON_VALUES_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string_view>

namespace pqleash::reporter {

// Keys in the order in which they are written.
using Json = nlohmann::ordered_json;

// Seconds, to the millisecond.
double Seconds(uint64_t ns);
Json OptionalSeconds(const std::optional<uint64_t>& ns);

// null for 'not known'.
Json Timestamp(uint64_t realtime_ns);

// Values of 0 that stand for 'not known' are null.
template <typename Number>
Json Known(Number number) {
  return number == 0 ? Json(nullptr) : Json(number);
}

// null for no value.
template <typename Value>
Json OrNull(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// null for the empty text.
Json TextOrNull(std::string_view text);

// The id of a call site; null for no value.
Json SiteOrNull(const std::optional<uint64_t>& id);

// Writes a document: ASCII only, and bytes that are not UTF-8 as U+FFFD.
void WriteJson(const Json& json, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_JSON_VALUES_H_
