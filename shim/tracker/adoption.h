// SPDX-License-Identifier: Apache-2.0
//
// Connections that were open before the library came into the process (`pqleash attach`). Nobody
// has seen them being opened: their call site says so in words, and their time counts from the
// moment that they are taken over.
//
// They come by two ways. The tool finds them in the memory of the process, and leaves a list; and
// whatever it has not found (its connect was under way, or the allocator hides it) is taken over
// when it is used for the first time, by the thread that uses it.

#ifndef PQLEASH_SHIM_TRACKER_ADOPTION_H_
#define PQLEASH_SHIM_TRACKER_ADOPTION_H_

#include <libpq-fe.h>

#include <cstdint>

#include "shim/attach/order.h"
#include "shim/libpq/copy.h"
#include "shim/tracker/process.h"

namespace pqleash::tracker {

// Where the tool leaves the address of an order with a list; 0: none waits.
uint64_t* WaitingWord();

// Takes the list over that waits, if one does. Called with every connection that is not known, so
// that none of the list is used, or closed, before it is in the table. Returns how many were
// entered. Thread-safe.
uint32_t TakeWaiting(Process& process) noexcept;
// Forgets a list that waits.
void DropWaiting() noexcept;

// Takes over a connection that the calling thread uses, which nobody knows. kNoSlot: it is to be
// left alone.
uint32_t AdoptUsed(Process& process, const libpq::Copy& copy, PGconn* conn) noexcept;

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_ADOPTION_H_
