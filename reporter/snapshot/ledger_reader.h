// SPDX-License-Identifier: Apache-2.0
//
// Bytes of a ledger → Snapshot.
//
// A ledger is hostile input (shim/ledger/LEDGER.md): another user's process wrote it, may be
// writing it now, and may have died in the middle. So: no mapping (a truncated file would end us
// with SIGBUS), every offset, count, index and string is checked, and memory is bounded by the
// limits below whatever the file says.

#ifndef PQLEASH_REPORTER_SNAPSHOT_LEDGER_READER_H_
#define PQLEASH_REPORTER_SNAPSHOT_LEDGER_READER_H_

#include <cstdint>
#include <string>
#include <variant>

#include "reporter/snapshot/ledger_error.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// The most that is read of a ledger. The library's own limits (shim/config/config.h) lie below.
inline constexpr uint64_t kMaxLedgerSize = uint64_t{1} << 30;
inline constexpr uint32_t kMaxConnections = 1'048'576;
inline constexpr uint32_t kMaxCallSites = 65'537;
inline constexpr uint32_t kMaxStackDepth = 1'024;
inline constexpr uint32_t kMaxFrames = 16'777'216;
inline constexpr uint32_t kMaxScriptFrames = 1'048'576;
inline constexpr uint32_t kMaxTargets = 1'048'576;
inline constexpr uint32_t kMaxStringBytes = 64 << 20;
// Copies of strings that one snapshot may hold in all: references may all name the same long
// string.
inline constexpr uint64_t kMaxCopiedStringBytes = 64 << 20;

using LedgerResult = std::variant<Snapshot, LedgerError>;

// Reads the ledger at `path`, relative to the directory `directory_fd` (AT_FDCWD: the current one).
// `shown_path` is the name for messages and for Process::ledger. Does not follow a link in the last
// part of the path. Leaves process.life 'unknown' and as_of_ns at the last sign of life.
LedgerResult ReadLedger(int directory_fd, const std::string& path, const std::string& shown_path);

// Reads a ledger that ListLedgers has found, through its directory as OpenLedgerDirectory has it:
// whoever owns that may have put a link in its place since.
LedgerResult ReadListedLedger(const std::string& path);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_LEDGER_READER_H_
