// SPDX-License-Identifier: Apache-2.0

#include "reporter/server/server_sql.h"

#include <fmt/format.h>

namespace pqleash::reporter {
namespace {

constexpr int kWaitEvents = 90'600;
constexpr int kBackendTypes = 100'000;
constexpr int kWalSendersApart = 120'000;  // before, they count against max_connections
constexpr int kReservedConnections = 160'000;

std::string Setting(const char* name) {
  return fmt::format("pg_catalog.current_setting('{}')::pg_catalog.int8", name);
}

std::string Microseconds(const char* time) {
  return fmt::format("(pg_catalog.date_part('epoch', {}) * 1000000)::pg_catalog.int8", time);
}

// Which backends the postmaster counts. A backend whose type is hidden from us has a database
// where it is a client's; so has a parallel worker, which lives for one query.
std::string TakesSlot(int version) {
  if (version < kBackendTypes) return "client_port IS NOT NULL OR backend_start IS NULL";
  std::string types = "'client backend'";
  if (version < kWalSendersApart) types += ", 'walsender'";
  return fmt::format(
      "CASE WHEN backend_type IS NULL THEN datid IS NOT NULL ELSE backend_type IN ({}) END", types);
}

}  // namespace

std::string SettingsStatement(int version) {
  const bool reserved = version >= kReservedConnections;
  return fmt::format(
      "SELECT {}, {}, {}, pg_catalog.pg_is_in_recovery(), r.rolsuper, {}, r.rolconnlimit, "
      "d.datconnlimit, pg_catalog.pg_backend_pid(), {} "
      "FROM pg_catalog.pg_roles r, pg_catalog.pg_database d "
      "WHERE r.rolname = session_user AND d.datname = pg_catalog.current_database()",
      Setting("max_connections"), Setting("superuser_reserved_connections"),
      reserved ? Setting("reserved_connections") : "0",
      reserved ? "pg_catalog.pg_has_role(session_user, 'pg_use_reserved_connections', 'USAGE')"
               : "false",
      Microseconds("pg_catalog.clock_timestamp()"));
}

std::string BackendsStatement(int version) {
  const bool waits = version >= kWaitEvents;
  // pg_blocking_pids stops the lock manager for a moment: asked only for who waits for a lock, or
  // may do so.
  return fmt::format(
      "SELECT pid, datname, usename, application_name, pg_catalog.host(client_addr), client_port, "
      "{}, {}, backend_start IS NULL, state, {}, {}, {}, {}, {}, {}, {} "
      "FROM pg_catalog.pg_stat_activity WHERE pid IS NOT NULL ORDER BY pid",
      version >= kBackendTypes ? "backend_type" : "NULL", TakesSlot(version),
      Microseconds("backend_start"), Microseconds("state_change"), Microseconds("xact_start"),
      Microseconds("query_start"), waits ? "wait_event_type" : "NULL",
      waits ? "wait_event" : "NULL",
      waits ? "CASE WHEN wait_event_type = 'Lock' OR backend_start IS NULL THEN "
              "pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(pid), ',') END"
            : "NULL");
}

std::vector<std::string> MissingFor(int version) {
  std::vector<std::string> missing;
  if (version < kWaitEvents) {
    missing.push_back(
        fmt::format("PostgreSQL {} is too old to say what a backend waits for and who blocks it "
                    "(wait_event and pg_blocking_pids are there from 9.6 on)",
                    ServerVersion(version)));
  }
  return missing;
}

std::string ServerVersion(int version) {
  if (version >= kBackendTypes) return fmt::format("{}.{}", version / 10'000, version % 10'000);
  return fmt::format("{}.{}.{}", version / 10'000, version / 100 % 100, version % 100);
}

}  // namespace pqleash::reporter
