// SPDX-License-Identifier: Apache-2.0
//
// A pool, as far as it can be told from outside: all connections that one process holds to one
// target, whatever line opened them. Many lines of a program may fill one pool, each when it finds
// it empty, and one line may fill many.

#ifndef PQLEASH_REPORTER_FINDINGS_POOL_H_
#define PQLEASH_REPORTER_FINDINGS_POOL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/findings/detector.h"

namespace pqleash::reporter {

// An open connection of a pool.
struct Pooled {
  const Connection* connection = nullptr;
  const CallSiteGroup* group = nullptr;  // the place that opened it
  GroupedConnection place;
};

struct Pool {
  const Snapshot* snapshot = nullptr;
  const Target* target = nullptr;
  std::vector<Pooled> open;  // the oldest first
  // How its program lets go of connections, as far as the places of `open` tell.
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t closed_life_ns = 0;  // sum over `closed`
  // The most that can have been worked with at once, at least 1: those that are stuck in a
  // transaction or in a command that nobody goes on with are left out.
  uint64_t worked_with_peak = 1;
  uint64_t stuck = 0;
  uint64_t newest_ns = 0;  // the latest connect of `open`

  uint64_t UsualLifeNs() const { return closed == 0 ? 0 : closed_life_ns / closed; }
};

// Of the living processes and the dead ones, in order of process and target. Connections that were
// not attributed to a call site are left out. Refers to `observation`.
std::vector<Pool> PoolsOf(const Observation& observation);

// Whether nobody goes on with it: no call is running, and it was idle, or in the middle of a
// command's answer, for that long. An answer is left unread for a minute before that counts: a
// program may be busy with what it has read.
bool IsLeft(const Pool& pool, const Connection& connection, uint64_t idle_ns);

// By how many connections the pool has grown since `connection` was used last: those that are open
// and newer, and no more than the process opened without closing others meanwhile (a pool that
// closes what is old and opens a new one in its place does not grow).
uint64_t GrownSince(const Pool& pool, const Connection& connection);

// For how long it has been left while the program worked with other connections: the whole periods
// of the history since its last use in which any was used.
uint64_t LeftWhileActiveNs(const Pool& pool, const Connection& connection);

// Of connections that come back after long rests while others are used: the rest that is usual for
// them, judged by those that are old enough to have come back. A rest is long from `long_ns` on,
// and `enough` connections must have had one. 0: they are no such connections.
uint64_t UsualRestNs(const std::vector<const Connection*>& open, uint64_t as_of_ns,
                     uint64_t long_ns, uint64_t enough);

// What tells the target from others, for a sentence: 'audit at db1:5432/shop' of an application
// name, a host, a port and a database, as many of these as differ from `others`; empty: none does.
std::string TargetApartFrom(const Target& target, const std::vector<const Target*>& others);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_POOL_H_
