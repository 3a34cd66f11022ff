// SPDX-License-Identifier: Apache-2.0
//
// The server's side for people. Everything that came from the server is escaped.

#ifndef PQLEASH_REPORTER_RENDER_SERVER_TEXT_H_
#define PQLEASH_REPORTER_RENDER_SERVER_TEXT_H_

#include <cstddef>
#include <ostream>
#include <string>

#include "reporter/render/layout.h"
#include "reporter/server/server_report.h"

namespace pqleash::reporter {

// Backends that are listed where --top does not say how many.
inline constexpr size_t kBackendsShown = 20;

// Section 'Server', after an empty line.
void WriteServerText(const ServerReport& server, const Style& style, std::ostream& out);

// 'app@db.example:5432/orders, PostgreSQL 15.20'. Escaped.
std::string ServerLine(const ServerAddress& address, int version);

// 'idle in transaction', 'hidden'; '-' where there is none. Escaped.
std::string BackendState(const Backend& backend);

// 'Lock/transactionid, blocked by 4711'; '-' for nothing, or for the client's next command.
// Escaped.
std::string WaitText(const Backend& backend);

// '4711, 4712 and 3 more'; '-' for none.
std::string PidList(const std::vector<int32_t>& pids);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_SERVER_TEXT_H_
