// SPDX-License-Identifier: Apache-2.0
//
// Asking a server for its view, on one connection, in one read-only transaction.

#ifndef PQLEASH_REPORTER_SERVER_SERVER_QUERY_H_
#define PQLEASH_REPORTER_SERVER_SERVER_QUERY_H_

#include <string>
#include <variant>

#include "reporter/server/server_connection.h"
#include "reporter/server/server_view.h"

namespace pqleash::reporter {

// Connects as ServerConnection::Open does. What a server cannot or will not tell is named in
// ServerView::missing; an error is that it tells nothing at all.
std::variant<ServerView, ServerError> QueryServer(const std::string& conninfo);

// Makes values of the answers to SettingsStatement and BackendsStatement. Pure; what is not a
// number is 0.
ServerSettings ReadSettings(const Row& row);
Backend ReadBackend(const Row& row);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVER_SERVER_QUERY_H_
