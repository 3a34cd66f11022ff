// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CAPS_HOLDERS_H_
#define PQLEASH_SHIM_CAPS_HOLDERS_H_

#include <cstdint>

#include "shim/caps/board.h"

namespace pqleash::caps {

// The call site with the most connections at policy `number`: its label on the board, and how many
// it has. kNoEntry: none has any. Without the lock: right but for what changes meanwhile.
uint32_t BiggestHolder(const Board& board, uint32_t number, uint32_t* count);

// Writes into the log who holds the connections of policy `number`, grouped by call site: how many,
// in how many processes, the oldest, the longest idle, how many are in a transaction. What the
// connections of a process do is read from its ledger in `directory`; of at most 64 processes.
// `first` is the connect that was held back. Opens and closes files.
void LogHolders(const Board& board, uint32_t number, const Policy& policy, const Outcome& first,
                const char* directory, uint64_t now);

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_HOLDERS_H_
