// SPDX-License-Identifier: Apache-2.0

#include "reporter/server/server_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "reporter/server/server_sql.h"
#include "reporter/words/duration.h"
#include "shim/support/clock.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kMicrosecond = 1'000;  // ns

std::string_view TextOf(const std::optional<std::string>& value) {
  return value ? std::string_view(*value) : std::string_view();
}

int64_t Number(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

int64_t Number(const std::optional<std::string>& value) { return Number(TextOf(value)); }

bool IsTrue(const std::optional<std::string>& value) { return TextOf(value) == "t"; }

uint64_t Count(const std::optional<std::string>& value) {
  return static_cast<uint64_t>(std::max<int64_t>(Number(value), 0));
}

int32_t Pid(int64_t number) {
  return number > 0 && number <= INT32_MAX ? static_cast<int32_t>(number) : 0;
}

// Beyond the year 2554 it does not fit.
uint64_t Time(const std::optional<std::string>& microseconds) {
  const uint64_t count = Count(microseconds);
  return count <= UINT64_MAX / kMicrosecond ? count * kMicrosecond : 0;
}

std::vector<int32_t> Pids(std::string_view text) {
  std::vector<int32_t> pids;
  while (!text.empty()) {
    const size_t size = std::min(text.find(','), text.size());
    pids.push_back(Pid(Number(text.substr(0, size))));
    text.remove_prefix(std::min(size + 1, text.size()));
  }
  // The members of a parallel group give their leader's pid each.
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

// The settings, and what time it is there. `row` comes back between two looks at our clocks.
std::optional<ServerError> AskSettings(ServerConnection* connection, ServerView* view) {
  const uint64_t before = ReadClock(CLOCK_MONOTONIC);
  auto answer = connection->Query(SettingsStatement(connection->version()), kSettingsColumns);
  const uint64_t after = ReadClock(CLOCK_MONOTONIC);
  const uint64_t realtime = ReadClock(CLOCK_REALTIME);
  if (auto* error = std::get_if<ServerError>(&answer)) return *error;
  const auto& rows = std::get<std::vector<Row>>(answer);
  if (rows.size() != 1) return ServerError{"it does not list the role or the database"};
  view->settings = ReadSettings(rows.front());
  view->settings.version = connection->version();
  view->settings.through_pooler = view->settings.own_backend != connection->given_backend();
  const uint64_t half = (after - before) / 2;
  view->clock = {Time(rows.front()[kServerTime]), realtime - half, after - half, half};
  return std::nullopt;
}

std::optional<ServerError> AskBackends(ServerConnection* connection, ServerView* view) {
  auto answer = connection->Query(BackendsStatement(connection->version()), kBackendColumns);
  if (auto* error = std::get_if<ServerError>(&answer)) return *error;
  for (const Row& row : std::get<std::vector<Row>>(answer)) {
    view->backends.push_back(ReadBackend(row));
  }
  view->backends_known = true;
  return std::nullopt;
}

// A REPEATABLE READ transaction is read from one moment, and SET LOCAL ends with it: a pooler gives
// the backend back as it was. Without a search_path nobody's own operators are taken for the
// system's.
constexpr const char* kBegin =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog; SET "
    "LOCAL statement_timeout = '10s'";

}  // namespace

ServerSettings ReadSettings(const Row& row) {
  ServerSettings settings;
  settings.max_connections = Count(row[kMaxConnections]);
  settings.superuser_reserved = Count(row[kSuperuserReserved]);
  settings.reserved = Count(row[kReserved]);
  settings.in_recovery = IsTrue(row[kInRecovery]);
  settings.superuser = IsTrue(row[kSuperuser]);
  settings.may_use_reserved = IsTrue(row[kMayUseReserved]);
  settings.role_limit = Number(row[kRoleLimit]);
  settings.database_limit = Number(row[kDatabaseLimit]);
  settings.own_backend = Pid(Number(row[kOwnBackend]));
  return settings;
}

Backend ReadBackend(const Row& row) {
  Backend backend;
  backend.pid = Pid(Number(row[kPid]));
  backend.dbname = TextOf(row[kDbname]);
  backend.user = TextOf(row[kUser]);
  backend.application_name = TextOf(row[kApplicationName]);
  backend.client_addr = TextOf(row[kClientAddr]);
  backend.client_port =
      static_cast<int32_t>(std::clamp<int64_t>(Number(row[kClientPort]), INT32_MIN, INT32_MAX));
  backend.type = TextOf(row[kBackendType]);
  backend.takes_slot = IsTrue(row[kTakesSlot]);
  backend.hidden = IsTrue(row[kHidden]);
  backend.state = TextOf(row[kState]);
  backend.start_ns = Time(row[kStart]);
  backend.state_change_ns = Time(row[kStateChange]);
  backend.transaction_start_ns = Time(row[kTransactionStart]);
  backend.query_start_ns = Time(row[kQueryStart]);
  backend.wait_event_type = TextOf(row[kWaitEventType]);
  backend.wait_event = TextOf(row[kWaitEvent]);
  backend.blocked_by = Pids(TextOf(row[kBlockedBy]));
  return backend;
}

std::variant<ServerView, ServerError> QueryServer(const std::string& conninfo) {
  auto opened = ServerConnection::Open(conninfo);
  if (auto* error = std::get_if<ServerError>(&opened)) return *error;
  auto& connection = std::get<ServerConnection>(opened);
  if (connection.IsPoolerConsole()) {
    return ServerError{
        "that is PgBouncer's own console, which has no pg_stat_activity: name a database of the "
        "server behind it"};
  }
  if (connection.version() < kOldestServer) {
    return ServerError{fmt::format("PostgreSQL {} is too old, expected {} or newer",
                                   ServerVersion(connection.version()),
                                   ServerVersion(kOldestServer))};
  }
  ServerView view;
  view.address = connection.address();
  const auto begun = connection.Query(kBegin, 0);
  if (const auto* error = std::get_if<ServerError>(&begun)) {
    return ServerError{"it does not begin a transaction: " + error->sentence};
  }
  if (const auto error = AskSettings(&connection, &view)) {
    return ServerError{"it does not tell its settings: " + error->sentence};
  }
  view.missing = MissingFor(connection.version());
  if (const auto error = AskBackends(&connection, &view)) {
    view.missing.push_back("the server does not list its backends: " + error->sentence);
  }
  return view;
}

}  // namespace pqleash::reporter
