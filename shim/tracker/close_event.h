// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_TRACKER_CLOSE_EVENT_H_
#define PQLEASH_SHIM_TRACKER_CLOSE_EVENT_H_

#include <libpq-fe.h>

#include "shim/libpq/copy.h"

namespace pqleash::tracker {

// Asks libpq to say when it destroys `conn` (PQregisterEventProc, libpq's documentation, 'Event
// System'), so that a PQfinish that passes us by still frees the record. Not for every connection:
// each result of a connection with an event procedure costs libpq an allocation or two.
void WatchClose(const libpq::Copy& copy, PGconn* conn);

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_CLOSE_EVENT_H_
