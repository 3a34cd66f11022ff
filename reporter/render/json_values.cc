// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/json_values.h"

#include <string>
#include <utility>

#include "reporter/snapshot/names.h"
#include "reporter/words/duration.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {

double Seconds(uint64_t ns) { return static_cast<double>(ns / kMillisecond) / 1'000; }

Json OptionalSeconds(const std::optional<uint64_t>& ns) {
  return ns ? Json(Seconds(*ns)) : Json(nullptr);
}

Json Timestamp(uint64_t realtime_ns) {
  std::string text = Rfc3339(realtime_ns);
  return text.empty() ? Json(nullptr) : Json(std::move(text));
}

Json TextOrNull(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }

Json SiteOrNull(const std::optional<uint64_t>& id) {
  return id ? Json(CallSiteName(*id)) : Json(nullptr);
}

void WriteJson(const Json& json, std::ostream& out) {
  out << json.dump(2, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) << '\n';
}

}  // namespace pqleash::reporter
