// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_TRACKER_IDENTITY_H_
#define PQLEASH_SHIM_TRACKER_IDENTITY_H_

#include <sys/types.h>

#include <cstdint>

namespace pqleash::tracker {

// Who this process is. What cannot be read (no /proc, say) stays 0 or empty.
struct Identity {
  pid_t pid;
  pid_t parent_pid;
  uid_t uid;               // effective
  uid_t outer_uid;         // outside of the user namespace: it names the default directory
  uint64_t pid_namespace;  // inode of /proc/self/ns/pid
  uint64_t start_ticks;    // see ProcessMarks of support/liveness.h
  uint64_t stack_start;
  char boot_id[40];
  char host_name[64];
  char executable[512];

  const char* ExecutableName() const;  // without its directories
};

// No heap; changes errno.
void ReadIdentity(Identity* identity);

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_IDENTITY_H_
