// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SNAPSHOT_PROCESS_LIVENESS_H_
#define PQLEASH_REPORTER_SNAPSHOT_PROCESS_LIVENESS_H_

#include <cstdint>
#include <string>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

struct Liveness {
  Life life = Life::kUnknown;
  int32_t visible_pid = 0;  // in the reader's pid namespace, while it lives
  // What the clocks of its time namespace are ahead of ours, while it lives: CLOCK_MONOTONIC, ns.
  int64_t monotonic_ahead_ns = 0;
};

// Whether the process that wrote a ledger lives: a pid means nothing without the boot, the pid
// namespace and the start time that it belongs to. Looks at `proc` (normally /proc) when asked;
// keeps no state.
class LivenessProbe {
 public:
  explicit LivenessProbe(std::string proc = "/proc");

  // `newest_image` is false for the ledger of a program image that the process has exec'd away
  // from.
  Liveness Look(const Process& process, bool newest_image) const;

  // The same from no more than the name of a ledger that cannot be read: whether any process that
  // we see, in whatever pid namespace, goes by that pid and start time. 'live', 'killed' for gone,
  // or 'unknown'.
  Life LookForName(int32_t pid, uint64_t start_ticks) const;

 private:
  struct Sighting {
    int32_t pid = 0;      // 0: not there
    bool certain = true;  // false: it may be there and be hidden from us
  };
  // By the pid that it has in its innermost namespace. Namespace 0: any.
  Sighting Find(int32_t inner_pid, uint64_t start_ticks, uint64_t pid_namespace) const;
  bool StartedAt(int32_t pid, uint64_t start_ticks) const;
  Liveness Live(int32_t pid) const;

  // The clocks of a time namespace, by their distance from the machine's: time_namespaces(7).
  struct ClockOffsets {
    int64_t monotonic_ns = 0;
    int64_t boottime_ns = 0;
  };
  ClockOffsets OffsetsOf(const std::string& process) const;

  std::string proc_;
  std::string boot_id_;
  uint64_t pid_namespace_ = 0;
  ClockOffsets own_offsets_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_PROCESS_LIVENESS_H_
