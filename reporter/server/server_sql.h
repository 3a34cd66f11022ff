// SPDX-License-Identifier: Apache-2.0
//
// The statements that a server is asked with, for its version. Pure. None asks for the text of a
// query: it may hold anybody's data.

#ifndef PQLEASH_REPORTER_SERVER_SERVER_SQL_H_
#define PQLEASH_REPORTER_SERVER_SERVER_SQL_H_

#include <string>
#include <vector>

namespace pqleash::reporter {

// The first version whose pg_stat_activity has `pid` and `state`; nothing is asked of older ones.
inline constexpr int kOldestServer = 90'200;

// Versions as PQserverVersion gives them. Columns of the one row, in this order.
enum SettingsColumn : int {
  kMaxConnections,
  kSuperuserReserved,
  kReserved,
  kInRecovery,
  kSuperuser,
  kMayUseReserved,
  kRoleLimit,
  kDatabaseLimit,
  kOwnBackend,
  kServerTime,  // microseconds since 1970
  kSettingsColumns,
};
std::string SettingsStatement(int version);

// Columns of a row for each backend, in this order. Times in microseconds since 1970.
enum BackendColumn : int {
  kPid,
  kDbname,
  kUser,
  kApplicationName,
  kClientAddr,
  kClientPort,
  kBackendType,
  kTakesSlot,
  kHidden,
  kState,
  kStart,
  kStateChange,
  kTransactionStart,
  kQueryStart,
  kWaitEventType,
  kWaitEvent,
  kBlockedBy,  // '17,0'
  kBackendColumns,
};
std::string BackendsStatement(int version);

// What a server of this version does not tell: a sentence each without a full stop.
std::vector<std::string> MissingFor(int version);

// '15.20' for 150020, '9.6.24' for 90624.
std::string ServerVersion(int version);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVER_SERVER_SQL_H_
