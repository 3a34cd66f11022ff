// SPDX-License-Identifier: Apache-2.0
//
// Connections that are open in a process which nobody has watched: PGconns in its memory. One is
// told by its content: at libpq's own offsets (attach::Fields) a good status, a descriptor that is
// a socket of the process, a backend's pid, a state of transaction, and texts for database and
// user.

#ifndef PQLEASH_REPORTER_ATTACH_OPEN_CONNECTIONS_H_
#define PQLEASH_REPORTER_ATTACH_OPEN_CONNECTIONS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "reporter/attach/libc_places.h"
#include "reporter/attach/remote_memory.h"
#include "shim/attach/order.h"

namespace pqleash::reporter {

// Descriptors of the process that are sockets.
std::set<int32_t> SocketsOf(int32_t pid, const std::string& proc = "/proc");

enum class ConnectionStage {
  kNone,  // there is no connection, or a failed one
  kConnecting,
  kOpen,
};

// Reads what is at `handle`. Of a connection that is open, or is being opened, `adopted` is filled
// in. Pure, but for the reading.
ConnectionStage ReadConnection(const RemoteMemory& memory, const attach::Copy& copy,
                               const std::set<int32_t>& sockets, uint64_t handle,
                               attach::Adopted* adopted);

struct FoundConnections {
  std::vector<attach::Adopted> open;
  std::vector<attach::Adopted> connecting;
};

// Finds all of them, attach::kMaxAdopted of each stage at most. Reads all writable memory of the
// process. The process runs meanwhile, so each is to be read again when it stands still.
FoundConnections FindConnections(const Modules& modules, const RemoteMemory& memory,
                                 const attach::Order& answer, const std::set<int32_t>& sockets);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_OPEN_CONNECTIONS_H_
