// SPDX-License-Identifier: Apache-2.0
//
// Programs that speak to PostgreSQL without libpq, as far as /proc tells: by what they have mapped,
// and by where their sockets lead.

#ifndef PQLEASH_REPORTER_SNAPSHOT_OTHER_CLIENT_H_
#define PQLEASH_REPORTER_SNAPSHOT_OTHER_CLIENT_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace pqleash::reporter {

struct OtherClient {
  std::string language;      // 'Java'; empty: not known
  std::string drivers;       // of the language, that do without libpq: 'JDBC'
  bool has_driver = false;   // one of them is loaded: certain
  uint64_t connections = 0;  // established, by TCP, to a port where PostgreSQL listens as a rule
  uint16_t port = 0;         // of one of them
};

// Established connections of TCP that lead to one of `ports`, by the content of
// /proc/PID/net/tcp or tcp6: the inodes of their sockets, and in `port` a port of one. Pure.
std::set<uint64_t> SocketsTo(std::string_view tcp, const std::set<uint16_t>& ports, uint16_t* port);

// `process`: its directory in /proc; `maps`, `environ`: the content of its files of that name.
OtherClient LookForOtherClient(const std::string& process, std::string_view maps,
                               std::string_view environ);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_OTHER_CLIENT_H_
