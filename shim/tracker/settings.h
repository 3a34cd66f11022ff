// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_TRACKER_SETTINGS_H_
#define PQLEASH_SHIM_TRACKER_SETTINGS_H_

#include <cstdint>

#include "shim/caps/caps.h"
#include "shim/tracker/identity.h"

namespace pqleash::tracker {

// The part of the configuration that the tracker works with, without a heap.
struct Settings {
  char dir[256];
  char service[64];
  uint32_t stack_depth;
  bool script_frames;
  uint32_t use_stacks;  // a second at most; 0: none
  bool tag_application_name;
  uint32_t connections;
  uint32_t call_sites;
  uint32_t keep_dead;
  char report_at_exit[256];  // empty: none
  uint32_t hold_at_exit_ms;  // 0: not at all
  uint64_t run_id;           // PQLEASH_RUN, set by `pqleash run`; 0: none
};

// Whether pqleash must stay out of this process: switched off (PQLEASH_DISABLE), a set-user-ID
// program, or a server or tool of PostgreSQL itself that test suites start with the preload in its
// environment. No heap.
bool MustStayOut(const Identity& identity) noexcept;

// Loads the configuration from the process's environment and opens the log, which gets the start-up
// line and every problem. Falls back to the defaults, observe only, when memory is short.
void ReadSettings(const Identity& identity, Settings* settings,
                  caps::Configured* policies) noexcept;

// The policies again, if the file has changed since they were last read, and nobody writes it any
// more. False: that is not so, or it says nothing that can be used, which has been logged: the old
// ones stay.
bool ReadPoliciesAgain(caps::Configured* policies) noexcept;

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_SETTINGS_H_
