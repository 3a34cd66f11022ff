// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/server_json.h"

#include <string>
#include <string_view>
#include <utility>

#include "reporter/server/server_sql.h"
#include "reporter/snapshot/names.h"

namespace pqleash::reporter {
namespace {

std::string_view NameOf(Ownership ownership) {
  switch (ownership) {
    case Ownership::kOurs:
      return "ours";
    case Ownership::kOthers:
      return "others";
    case Ownership::kOwn:
      return "own";
    case Ownership::kServer:
      return "server";
    case Ownership::kUnknown:
      break;
  }
  return "unknown";
}

Json Limit(int64_t limit) { return limit < 0 ? Json(nullptr) : Json(limit); }

Json SlotsJson(const ServerReport& server) {
  const ServerSlots& slots = server.slots;
  const auto in_use = [&](uint64_t count) {
    return server.backends_known ? Json(count) : Json(nullptr);
  };
  return {{"max", slots.max},
          {"superuser_reserved", slots.superuser_reserved},
          {"reserved", slots.reserved},
          {"used", in_use(slots.used)},
          {"free", in_use(slots.free)},
          {"ours", in_use(slots.ours)},
          {"others", in_use(slots.others)},
          {"unknown", in_use(slots.unknown)},
          {"own", in_use(slots.own)}};
}

}  // namespace

Json ServerBackendJson(const ServerBackend& backend) {
  const Backend& row = backend.backend;
  const bool ours = backend.ownership == Ownership::kOurs;
  const Json none = nullptr;
  return {{"pid", row.pid},
          {"whose", NameOf(backend.ownership)},
          {"dbname", TextOrNull(row.dbname)},
          {"user", TextOrNull(row.user)},
          {"application_name", TextOrNull(row.application_name)},
          {"client_addr", TextOrNull(row.client_addr)},
          {"client_port", row.client_port > 0 ? Json(row.client_port) : none},
          {"backend_type", TextOrNull(row.type)},
          {"hidden", row.hidden},
          {"state", TextOrNull(row.state)},
          {"age_s", OptionalSeconds(backend.age_ns)},
          {"state_age_s", OptionalSeconds(backend.state_age_ns)},
          {"transaction_age_s", OptionalSeconds(backend.transaction_age_ns)},
          {"idle_in_transaction_s", OptionalSeconds(backend.idle_in_transaction_ns)},
          {"query_start", Timestamp(row.query_start_ns)},
          {"query_age_s", OptionalSeconds(backend.query_age_ns)},
          {"wait_event_type", TextOrNull(row.wait_event_type)},
          {"wait_event", TextOrNull(row.wait_event)},
          {"blocked_by", row.blocked_by},
          {"blocks", backend.blocks},
          {"process_pid", ours ? Json(backend.process_pid) : none},
          {"service", ours ? Json(backend.service) : none},
          {"call_site", ours ? Json(CallSiteName(backend.call_site)) : none},
          {"opened_by", TextOrNull(backend.opened_by)}};
}

Json ServerSettingsJson(const ServerAddress& address, const ServerSettings& settings) {
  return {{"host", address.host},
          {"port", address.port},
          {"dbname", address.dbname},
          {"user", address.user},
          {"version", ServerVersion(settings.version)},
          {"in_recovery", settings.in_recovery},
          {"through_pooler", settings.through_pooler},
          {"superuser", settings.superuser},
          {"role_connection_limit", Limit(settings.role_limit)},
          {"database_connection_limit", Limit(settings.database_limit)}};
}

Json ServerJson(const std::optional<ServerReport>& server) {
  if (!server) return nullptr;
  Json json = ServerSettingsJson(server->address, server->settings);
  json["slots"] = SlotsJson(*server);
  json["hidden"] = server->hidden;
  json["backends"] = Json::array();
  for (const ServerBackend& backend : server->backends) {
    json["backends"].push_back(ServerBackendJson(backend));
  }
  json["backends_left_out"] = server->backends_left_out;
  json["unlisted"] = Json::array();
  for (const Unlisted& place : server->unlisted) {
    json["unlisted"].push_back({{"host", place.host},
                                {"port", Known(place.port)},
                                {"connections", place.connections},
                                {"same_address", place.same_address}});
  }
  json["notes"] = server->notes;
  return json;
}

}  // namespace pqleash::reporter
