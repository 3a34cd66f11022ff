// SPDX-License-Identifier: Apache-2.0
//
// A connection of our own, on which nothing takes longer than its bound.

#ifndef PQLEASH_REPORTER_SERVER_SERVER_CONNECTION_H_
#define PQLEASH_REPORTER_SERVER_SERVER_CONNECTION_H_

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "reporter/server/server_view.h"

namespace pqleash::reporter {

// One sentence without a full stop: what could not be done and why. Holds nothing of the
// connection string but what libpq and the server say of a failed connect, without passwords.
struct ServerError {
  std::string sentence;
};

// NULL has no value.
using Row = std::vector<std::optional<std::string>>;

// Not thread-safe.
class ServerConnection {
 public:
  // How long a connect takes at most, unless the connection string or PGCONNECT_TIMEOUT says
  // otherwise (in that case at most a minute), and each answer.
  static constexpr std::chrono::seconds kConnectLimit{10};
  static constexpr std::chrono::seconds kAnswerLimit{15};

  // `conninfo` is as PQconnectdb takes it, or the name of a database; empty: libpq's defaults. Asks
  // nobody for a password.
  static std::variant<ServerConnection, ServerError> Open(const std::string& conninfo);

  const ServerAddress& address() const { return address_; }
  int version() const { return PQserverVersion(conn_.get()); }
  // PgBouncer's own console, which knows no pg_stat_activity.
  bool IsPoolerConsole() const;
  // The pid that the server gave on connect; a pooler makes one up.
  int32_t given_backend() const { return PQbackendPID(conn_.get()); }

  // Runs one statement. Results of other than `columns` columns are an error.
  std::variant<std::vector<Row>, ServerError> Query(const std::string& statement, int columns);

 private:
  struct Finish {
    void operator()(PGconn* conn) const { PQfinish(conn); }
  };
  using Handle = std::unique_ptr<PGconn, Finish>;

  ServerConnection(Handle conn, ServerAddress address)
      : conn_(std::move(conn)), address_(std::move(address)) {}

  Handle conn_;
  ServerAddress address_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVER_SERVER_CONNECTION_H_
