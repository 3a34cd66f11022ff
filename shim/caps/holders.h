// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CAPS_HOLDERS_H_
#define PQLEASH_SHIM_CAPS_HOLDERS_H_

#include <cstdint>

#include "shim/caps/board.h"

namespace pqleash::caps {

// Returns the label of the call site that holds most connections at policy `number`, and sets
// `count` to their number. Returns kNoEntry if no connection with a known call site is held. Takes
// no lock, so changes during the call may or may not be seen. Thread-safe; no heap.
uint32_t BiggestHolder(const Board& board, uint32_t number, uint32_t* count);

// Logs who holds the connections of policy `number`, one line per call site: how many connections,
// in how many processes, the age of the oldest, the longest idle time, and how many are in a
// transaction. The state of the connections is read from the ledgers in `directory`, for at most 64
// processes. `first` is the connect that was held back. Opens and closes files; takes no lock.
void LogHolders(const Board& board, uint32_t number, const Policy& policy, const Outcome& first,
                const char* directory, uint64_t now);

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_HOLDERS_H_
