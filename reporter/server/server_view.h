// SPDX-License-Identifier: Apache-2.0
//
// What a server said of itself and of its backends in one snapshot, as plain values. The strings
// are what the server sent: any bytes, to be escaped by whoever shows them.

#ifndef PQLEASH_REPORTER_SERVER_SERVER_VIEW_H_
#define PQLEASH_REPORTER_SERVER_SERVER_VIEW_H_

#include <cstdint>
#include <string>
#include <vector>

namespace pqleash::reporter {

// Where and as whom we are connected, by libpq's account.
struct ServerAddress {
  std::string host;  // name, address or directory of the socket
  std::string port;
  std::string dbname;
  std::string user;
  // As the connection string gives it, for the caps that ask for it; ours is always 'pqleash'.
  std::string application_name;
  bool local = false;  // over a unix socket or a loopback address: the server's clock is ours
};

// No limit, as pg_roles.rolconnlimit and pg_database.datconnlimit have it.
inline constexpr int64_t kNoConnectionLimit = -1;

struct ServerSettings {
  int version = 0;  // as PQserverVersion: 150020 is 15.20
  uint64_t max_connections = 0;
  uint64_t superuser_reserved = 0;
  uint64_t reserved = 0;  // reserved_connections, from 16 on; 0 before
  bool in_recovery = false;
  // Of the role and the database that we are connected as and to.
  bool superuser = false;
  bool may_use_reserved = false;  // a member of pg_use_reserved_connections
  int64_t role_limit = kNoConnectionLimit;
  int64_t database_limit = kNoConnectionLimit;
  int32_t own_backend = 0;      // pid of our own backend
  bool through_pooler = false;  // the pid that we were given is not our backend's
};

// A row of pg_stat_activity, without the text of the query. 0 and "" are 'not known', which is all
// that a role without pg_read_all_stats gets of others' backends.
struct Backend {
  int32_t pid = 0;
  std::string dbname;
  std::string user;
  std::string application_name;
  std::string client_addr;  // empty: a unix socket, or not known
  int32_t client_port = 0;  // -1: a unix socket
  std::string type;         // backend_type; from 10 on
  bool takes_slot = false;  // counts against max_connections
  bool hidden = false;      // its state may not be seen by our role
  std::string state;        // 'active', 'idle in transaction', …
  uint64_t start_ns = 0;    // these five: CLOCK_REALTIME of the server
  uint64_t state_change_ns = 0;
  uint64_t transaction_start_ns = 0;
  uint64_t query_start_ns = 0;
  std::string wait_event_type;
  std::string wait_event;
  std::vector<int32_t> blocked_by;  // pids without repetition; 0: a prepared transaction
};

// One moment on two machines.
struct ServerClock {
  uint64_t server_realtime_ns = 0;
  uint64_t local_realtime_ns = 0;
  uint64_t local_monotonic_ns = 0;
  uint64_t uncertainty_ns = 0;  // by how much the moments can differ
};

struct ServerView {
  ServerAddress address;
  ServerSettings settings;
  ServerClock clock;
  std::vector<Backend> backends;  // by pid
  bool backends_known = false;    // false: the list could not be read; `missing` says why
  // What could not be had: a sentence each without a full stop. The rest holds.
  std::vector<std::string> missing;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVER_SERVER_VIEW_H_
