// SPDX-License-Identifier: Apache-2.0
//
// Which of a server's backends belong to which connections in our ledgers. A pid alone proves
// nothing: a host may have connections to several servers, whose backends may have the same pids. A
// backend is taken for that of a connection where
//   - the pid that libpq was given is the backend's,
//   - database and user are equal,
//   - the backend was started while the connection was made, by the server's clock set right by
//     ours: from `opened` to `established`, give or take kLocalSlack where server and ledger have
//     one clock, kRemoteSlack where they have not;
//   - or, where the server hides the start from our role, the port is the one that we asked.
//
// So a client backend is
//   ours     one that fits a connection;
//   own      the one that asks: it is there for as long as the question takes;
//   unknown  one that may belong to a connection of ours, but cannot be checked: it fits one by
//            pid, database and user, but hides its start, and the port is another (a proxy?); or no
//            ledger names it, but a connection of ours as the same user to the same database, by
//            another address or through a pooler, has no backend here: a pooler's backends serve
//            whoever comes;
//   others'  every other one: of another host, another user, or a program that is not observed.
// What takes no slot (the server's own processes, WAL senders) is none of these.

#ifndef PQLEASH_REPORTER_SERVER_JOIN_H_
#define PQLEASH_REPORTER_SERVER_JOIN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/server/server_view.h"
#include "reporter/snapshot/snapshot.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {

inline constexpr uint64_t kLocalSlack = 2 * kSecond;
inline constexpr uint64_t kRemoteSlack = 60 * kSecond;

enum class Ownership { kOurs, kOthers, kUnknown, kOwn, kServer };

// A connection of a snapshot: indexes.
struct LedgerPlace {
  size_t snapshot = 0;
  size_t connection = 0;
  bool operator==(const LedgerPlace&) const = default;
};

struct JoinedBackend {
  Ownership ownership = Ownership::kOthers;
  std::optional<LedgerPlace> place;  // of kOurs alone
};

// Established connections of processes that may live, for which the server lists no backend.
struct Unlisted {
  std::string host;
  uint32_t port = 0;  // 0: not known
  uint64_t connections = 0;
  bool same_address = false;  // as we asked
  bool operator==(const Unlisted&) const = default;
};

struct Joined {
  std::vector<JoinedBackend> backends;  // for each of the view
  std::vector<Unlisted> unlisted;       // by host and port; most connections first
};

// Pure.
Joined Join(const ServerView& view, const std::vector<Snapshot>& snapshots);

// Whether a backend may be that of a connection.
enum class Fit { kNo, kMaybe, kYes };
Fit FitOf(const ServerView& view, const Backend& backend, const Snapshot& snapshot,
          const Connection& connection);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVER_JOIN_H_
