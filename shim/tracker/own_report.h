// SPDX-License-Identifier: Apache-2.0
//
// What a process may ask about its own connections: the core of include/pqleash.h, which states the
// contracts.

#ifndef PQLEASH_SHIM_TRACKER_OWN_REPORT_H_
#define PQLEASH_SHIM_TRACKER_OWN_REPORT_H_

#include <libpq-fe.h>

#include <cstddef>
#include <cstdint>

#include "shim/support/bounded_text.h"
#include "shim/tracker/process.h"

namespace pqleash::tracker {

size_t OpenedSince(const Process& process, uint64_t since_ns, const PGconn** connections,
                   size_t capacity) noexcept;

void WriteStack(const Process& process, const PGconn* connection, BoundedText* text) noexcept;

// Ages as of `now` (CLOCK_MONOTONIC, ns).
void WriteOwnReport(const Process& process, uint64_t now, BoundedText* text) noexcept;

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_OWN_REPORT_H_
