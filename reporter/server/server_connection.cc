// SPDX-License-Identifier: Apache-2.0

#include "reporter/server/server_connection.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "reporter/server/conninfo.h"
#include "shim/config/values.h"

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;

// False: `deadline` is over first.
bool WaitFor(int socket, short events, Clock::time_point deadline) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    struct pollfd polled = {socket, events, 0};
    const int ready = poll(&polled, 1, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready > 0 || (ready < 0 && errno != EINTR)) return true;
  }
}

// A server's notices are not for the terminal.
void Drop(void*, const PGresult*) {}

std::chrono::seconds ConnectLimit(const Conninfo& conninfo) {
  std::optional<uint32_t> given = conninfo.connect_timeout_s;
  const char* variable = std::getenv("PGCONNECT_TIMEOUT");
  if (!given && variable != nullptr) given = config::ParseCount(variable, 0, 1'000'000);
  if (given.value_or(0) == 0) return ServerConnection::kConnectLimit;
  return std::chrono::seconds(std::min(*given, 60U));
}

bool IsLoopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1" || address == "localhost";
}

std::string Text(const char* text) { return text != nullptr ? text : ""; }

ServerAddress AddressOf(const PGconn* conn, const Conninfo& conninfo) {
  ServerAddress address;
  address.host = Text(PQhost(conn));
  address.port = Text(PQport(conn));
  address.dbname = Text(PQdb(conn));
  address.user = Text(PQuser(conn));
  address.application_name = conninfo.application_name;
  const bool socket = address.host.starts_with('/') || address.host.starts_with('@');
  address.local = socket || IsLoopback(address.host) || IsLoopback(Text(PQhostaddr(conn)));
  return address;
}

// What to do where the server's words do not say it.
std::string AdviceOn(const std::string& message) {
  if (message.find("too many clients") != std::string::npos ||
      message.find("slots are reserved") != std::string::npos) {
    return "; the server is full: a superuser may use its last "
           "superuser_reserved_connections slots, and from PostgreSQL 16 on a member of "
           "pg_use_reserved_connections those of reserved_connections";
  }
  if (message.find("no password supplied") != std::string::npos) {
    return "; nobody is asked for a password: put it into ~/.pgpass, a service file or PGPASSWORD";
  }
  return "";
}

std::string PrimaryMessage(const PGresult* result, PGconn* conn) {
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  return OneLine(primary != nullptr ? primary : Text(PQerrorMessage(conn)), {});
}

std::vector<Row> RowsOf(const PGresult* result) {
  std::vector<Row> rows;
  for (int i = 0; i < PQntuples(result); ++i) {
    Row row;
    for (int j = 0; j < PQnfields(result); ++j) {
      if (PQgetisnull(result, i, j) != 0) {
        row.emplace_back();
      } else {
        row.emplace_back(
            std::string(PQgetvalue(result, i, j), static_cast<size_t>(PQgetlength(result, i, j))));
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::variant<ServerConnection, ServerError> ServerConnection::Open(const std::string& conninfo) {
  std::string error;
  const std::optional<Conninfo> read = ReadConninfo(conninfo, &error);
  if (!read) return ServerError{error};
  // What follows dbname wins over what the string says.
  const char* keywords[] = {"dbname", "application_name", "client_encoding", nullptr};
  const char* values[] = {conninfo.c_str(), "pqleash", "UTF8", nullptr};
  // Step by step: a blocking connect would print the server's notices before it can be told not to.
  Handle conn(PQconnectStartParams(keywords, values, /*expand_dbname=*/1));
  if (conn == nullptr) return ServerError{"there is no memory for a connection"};
  PQsetNoticeReceiver(conn.get(), Drop, nullptr);
  const std::chrono::seconds limit = ConnectLimit(*read);
  const Clock::time_point deadline = Clock::now() + limit;
  PostgresPollingStatusType wanted =
      PQstatus(conn.get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (wanted != PGRES_POLLING_OK && wanted != PGRES_POLLING_FAILED) {
    const short events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!WaitFor(PQsocket(conn.get()), events, deadline)) {
      const ServerAddress address = AddressOf(conn.get(), *read);
      return ServerError{fmt::format("no connection to host '{}', port {} within {} s",
                                     address.host, address.port, limit.count())};
    }
    wanted = PQconnectPoll(conn.get());
  }
  if (wanted == PGRES_POLLING_FAILED) {
    const std::string message = OneLine(Text(PQerrorMessage(conn.get())), read->secrets);
    return ServerError{message + AdviceOn(message)};
  }
  ServerAddress address = AddressOf(conn.get(), *read);
  return ServerConnection(std::move(conn), std::move(address));
}

bool ServerConnection::IsPoolerConsole() const {
  const char* version = PQparameterStatus(conn_.get(), "server_version");
  return version != nullptr && std::string_view(version).find("bouncer") != std::string_view::npos;
}

std::variant<std::vector<Row>, ServerError> ServerConnection::Query(const std::string& statement,
                                                                    int columns) {
  PGconn* conn = conn_.get();
  const auto failed = [](std::string sentence) { return ServerError{std::move(sentence)}; };
  if (PQsendQuery(conn, statement.c_str()) == 0)
    return failed(OneLine(Text(PQerrorMessage(conn)), {}));
  const Clock::time_point deadline = Clock::now() + kAnswerLimit;
  std::vector<Row> rows;
  std::string error;
  while (true) {
    while (PQisBusy(conn) != 0) {
      if (!WaitFor(PQsocket(conn), POLLIN, deadline)) {
        return failed(fmt::format("no answer within {} s", kAnswerLimit.count()));
      }
      if (PQconsumeInput(conn) == 0) return failed(OneLine(Text(PQerrorMessage(conn)), {}));
    }
    const std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQgetResult(conn), PQclear);
    if (result == nullptr) break;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_TUPLES_OK && PQnfields(result.get()) == columns) {
      rows = RowsOf(result.get());
    } else if (status == PGRES_TUPLES_OK || (status == PGRES_COMMAND_OK && columns != 0)) {
      error = "the answer has other columns than were asked for";
    } else if (status != PGRES_COMMAND_OK) {
      error = PrimaryMessage(result.get(), conn);
      // No further result comes of a COPY that nobody serves.
      if (status != PGRES_FATAL_ERROR) break;
    }
  }
  if (!error.empty()) return failed(error);
  return rows;
}

}  // namespace pqleash::reporter
