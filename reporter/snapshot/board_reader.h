// SPDX-License-Identifier: Apache-2.0
//
// Bytes of a board → BoardSnapshot: of the shared file, or of the section of a ledger.
//
// A board is hostile input (shim/caps/layout.h), and others write while it is read: every offset,
// count, index and text is checked, work and memory are bounded by the limits below, and what is
// seen half-written is left out and counted.

#ifndef PQLEASH_REPORTER_SNAPSHOT_BOARD_READER_H_
#define PQLEASH_REPORTER_SNAPSHOT_BOARD_READER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

#include "reporter/snapshot/board.h"
#include "reporter/snapshot/ledger_error.h"

namespace pqleash::reporter {

// The most that is read. The library's own (caps::kSharedCapacity) lies far below.
inline constexpr uint64_t kMaxBoardBytes = 128 << 20;
// Pairs of an entry and a policy that it counts for.
inline constexpr uint64_t kMaxHoldings = 4 << 20;
// Waiters and holders, each.
inline constexpr size_t kMaxBoardRows = 65'536;

using BoardResult = std::variant<BoardSnapshot, LedgerError>;

// `shown_path` is the name for messages.
BoardResult ReadBoard(std::span<const std::byte> bytes, const std::string& shown_path);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_BOARD_READER_H_
