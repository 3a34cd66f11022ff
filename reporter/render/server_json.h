// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_SERVER_JSON_H_
#define PQLEASH_REPORTER_RENDER_SERVER_JSON_H_

#include <optional>

#include "reporter/render/json_values.h"
#include "reporter/server/server_report.h"

namespace pqleash::reporter {

// The value of the key 'server': null for none.
Json ServerJson(const std::optional<ServerReport>& server);
Json ServerBackendJson(const ServerBackend& backend);

// Address, version, reserved slots and limits.
Json ServerSettingsJson(const ServerAddress& address, const ServerSettings& settings);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_SERVER_JSON_H_
