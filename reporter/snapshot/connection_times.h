// SPDX-License-Identifier: Apache-2.0
//
// Ages of a connection as of the moment of its snapshot. Pure.

#ifndef PQLEASH_REPORTER_SNAPSHOT_CONNECTION_TIMES_H_
#define PQLEASH_REPORTER_SNAPSHOT_CONNECTION_TIMES_H_

#include <algorithm>
#include <cstdint>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// No clock of a ledger is trusted: what lies in the future is 0 old.
inline uint64_t Since(uint64_t as_of_ns, uint64_t then_ns) {
  return as_of_ns > then_ns ? as_of_ns - then_ns : 0;
}

inline uint64_t AgeNs(const Connection& connection, uint64_t as_of_ns) {
  return Since(as_of_ns, connection.opened_ns);
}

// CLOCK_MONOTONIC of the last moment at which the program is known to have used the connection.
inline uint64_t LastUseNs(const Connection& connection) {
  return std::max({connection.opened_ns, connection.established_ns, connection.last_activity_ns});
}

// 0 while a call is running: that is use, however long it takes.
inline uint64_t IdleNs(const Connection& connection, uint64_t as_of_ns) {
  return connection.in_call.empty() ? Since(as_of_ns, LastUseNs(connection)) : 0;
}

// In use by the ledger, and nobody works with it: idle inside of a transaction for `ns` or longer.
inline bool IsStuck(const Snapshot& snapshot, const Connection& connection, uint64_t ns) {
  return connection.state == ConnectionState::kEstablished &&
         IsIdleInside(connection.transaction) && connection.in_call.empty() &&
         IdleNs(connection, snapshot.as_of_ns) >= ns;
}

// How long the running call has taken; 0: none is running.
inline uint64_t InCallNs(const Connection& connection, uint64_t as_of_ns) {
  return connection.in_call.empty() ? 0 : Since(as_of_ns, LastUseNs(connection));
}

// The latest moment of which the ledger bears a trace.
uint64_t LastSignOfLifeNs(const Snapshot& snapshot);

// How long the running use has taken; 0: it is idle.
inline uint64_t InUseNs(const Connection& connection, uint64_t as_of_ns) {
  return connection.busy_since_ns == 0 ? 0 : Since(as_of_ns, connection.busy_since_ns);
}

// Sets process.life, process.visible_pid and as_of_ns, and drops what of the history does not lie
// near that moment.
void SetLife(Life life, int32_t visible_pid, uint64_t now_ns, Snapshot* snapshot);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_CONNECTION_TIMES_H_
