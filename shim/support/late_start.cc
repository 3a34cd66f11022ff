// SPDX-License-Identifier: Apache-2.0

#include "shim/support/late_start.h"

namespace pqleash {

namespace {

// Placed by late_start.ld; null where the parts are linked without it, as tests do.
extern "C" __attribute__((visibility("hidden"), weak)) void (*pqleash_late_start_begin[])();
extern "C" __attribute__((visibility("hidden"), weak)) void (*pqleash_late_start_end[])();

constinit bool done = false;

}  // namespace

void RunLateStart() noexcept {
  if (done) return;
  done = true;
  for (void (**start)() = pqleash_late_start_begin; start != pqleash_late_start_end; ++start)
    (*start)();
}

}  // namespace pqleash
