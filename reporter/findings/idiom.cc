// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/idiom.h"

#include <algorithm>
#include <string>

namespace pqleash::reporter {
namespace {

// A library is known by a part of a path in the stack. Of several the first here counts: a pool
// before the driver that it uses.
struct Known {
  Language language;
  std::string_view part;
  Idiom idiom;
};

constexpr Known kKnown[] = {
    {Language::kPython,
     "/sqlalchemy/",
     {"close() of the Session or the Connection",
      "`with engine.connect() as conn:` and `with Session(engine) as session:` give it back on "
      "every path, and a scoped_session keeps it until its remove()",
      "`with session.begin():` ends it on every path",
      "`create_engine(..., pool_pre_ping=True)` replaces those that the server has closed"}},
    {Language::kPython,
     "/django/",
     {"django.db.connection.close()",
      "Django lets go of connections at the end of a request alone: a thread of your own calls "
      "`django.db.connections.close_all()` at its end",
      "`with transaction.atomic():` ends it on every path",
      "CONN_HEALTH_CHECKS, or `django.db.close_old_connections()`, drops those that the server has "
      "closed"}},
    {Language::kPython,
     "/psycopg_pool/",
     {"pool.putconn(conn)", "`with pool.connection() as conn:` gives it back on every path",
      "leaving `with pool.connection() as conn:` commits or rolls back",
      "`pool.check()` replaces those that the server has closed"}},
    {Language::kPython,
     "/psycopg2/pool.py",
     {"pool.putconn(conn)", "putconn in a `finally:` gives it back on every path",
      "`with conn:` commits or rolls back on every path",
      "`pool.putconn(conn, close=True)` after an OperationalError takes it out of the pool"}},
    {Language::kPython,
     "/psycopg2/",
     {"conn.close()",
      "`with conn:` ends a transaction and closes nothing; `with "
      "contextlib.closing(psycopg2.connect(...)) as conn:` closes it on every path",
      "`with conn:` commits or rolls back on every path; with `conn.autocommit = True` a query "
      "alone begins none",
      "after an OperationalError conn.closed is not 0: drop it then, and connect anew"}},
    {Language::kPython,
     "/psycopg/",
     {"conn.close()", "`with psycopg.connect(...) as conn:` closes it on every path",
      "`with conn.transaction():` ends it on every path; with `autocommit=True` a query alone "
      "begins none",
      "after an OperationalError conn.broken is true: drop it then, and connect anew"}},
    {Language::kRuby,
     "/activerecord",
     {"release_connection of the pool",
      "`ActiveRecord::Base.connection_pool.with_connection { ... }` gives it back on every path; a "
      "thread of your own needs it",
      "`transaction do ... end` ends it on every path",
      "`connection.verify!` connects anew where the server has closed it"}},
    {Language::kRuby,
     "/active_record/",
     {"release_connection of the pool",
      "`ActiveRecord::Base.connection_pool.with_connection { ... }` gives it back on every path; a "
      "thread of your own needs it",
      "`transaction do ... end` ends it on every path",
      "`connection.verify!` connects anew where the server has closed it"}},
    {Language::kRuby,
     "/sequel",
     {"DB.disconnect", "`DB.synchronize { |conn| ... }` gives it back on every path",
      "`DB.transaction { ... }` ends it on every path",
      "the extension connection_validator replaces those that the server has closed"}},
    {Language::kRuby,
     "",
     {"conn.close",
      "`ensure conn.close`, or `PG.connect(...) { |conn| ... }`, closes it on every path",
      "`conn.transaction { ... }` ends it on every path",
      "after a PG::ConnectionBad `conn.reset` connects anew"}},
    {Language::kPython,
     "",
     {"conn.close()", "a `with` statement, or close() in a `finally:`, closes it on every path",
      "commit or rollback in a `finally:` ends it on every path",
      "drop it when a command fails, and connect anew"}},
    {Language::kPhp,
     "",
     {"pg_close, or the last variable that holds it",
      "a static or global variable keeps it until the end of the request, and pg_pconnect keeps "
      "one "
      "for each worker and connection string",
      "ROLLBACK in a `finally` ends it on every path",
      "pg_connection_status tells after a command has failed"}},
    {Language::kPerl,
     "",
     {"$dbh->disconnect",
      "a lexical $dbh is disconnected when its scope ends, and connect_cached keeps it for good",
      "$dbh->rollback on the error path ends it; with AutoCommit => 1 a query alone begins none",
      "$dbh->ping tells; a false answer means to connect anew"}},
};

constexpr Idiom kPqxx = {"the destructor of pqxx::connection",
                         "an object with automatic storage is destroyed on every path; one that is "
                         "held by a pointer, a member or a static variable lives as long as that",
                         "the destructor of pqxx::work rolls back",
                         "pqxx::broken_connection is thrown: make a new pqxx::connection then"};

constexpr Idiom kRust = {"drop",
                         "a value that is leaked (mem::forget, an Rc cycle) or kept in a static is "
                         "never dropped",
                         "a transaction that goes out of scope is rolled back",
                         "make a new connection when a command fails with a closed connection"};

constexpr Idiom kLibpq = {
    "PQfinish", "in C++ `std::unique_ptr<PGconn, decltype(&PQfinish)>` finishes it on every path",
    "send COMMIT or ROLLBACK on every path", "PQstatus tells when a command has failed"};

Language LanguageOf(const CallSiteGroup& group) {
  for (const SourceFrame& frame : group.frames) {
    if (frame.language != Language::kNative) return frame.language;
  }
  return Language::kNative;
}

bool Has(const CallSiteGroup& group, Language language, std::string_view part) {
  return std::any_of(group.frames.begin(), group.frames.end(), [&](const SourceFrame& frame) {
    return frame.language == language && frame.file.find(part) != std::string::npos;
  });
}

bool InNative(const CallSiteGroup& group, std::string_view part) {
  return std::any_of(group.frames.begin(), group.frames.end(), [&](const SourceFrame& frame) {
    return frame.language == Language::kNative && (frame.file.find(part) != std::string::npos ||
                                                   frame.module.find(part) != std::string::npos ||
                                                   frame.function.find(part) != std::string::npos);
  });
}

}  // namespace

Idiom IdiomOf(const CallSiteGroup& group) {
  const Language language = LanguageOf(group);
  if (language == Language::kNative) {
    if (InNative(group, "pqxx")) return kPqxx;
    return Has(group, Language::kNative, ".rs") ? kRust : kLibpq;
  }
  for (const Known& known : kKnown) {
    if (known.language == language && Has(group, language, known.part)) return known.idiom;
  }
  return kLibpq;
}

}  // namespace pqleash::reporter
