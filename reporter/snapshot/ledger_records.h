// SPDX-License-Identifier: Apache-2.0
//
// The records of a ledger as they lie in the file, copied out in an order in which nothing that was
// read refers to something that was not there yet when it was looked for: a writer fills a string
// before the frame, a frame before the call site, a call site before the connection; so they are
// read the other way round, with a fresh look at the header's counters before each step.

#ifndef PQLEASH_REPORTER_SNAPSHOT_LEDGER_RECORDS_H_
#define PQLEASH_REPORTER_SNAPSHOT_LEDGER_RECORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/snapshot/ledger_error.h"
#include "reporter/snapshot/ledger_file.h"
#include "shim/ledger/layout.h"

namespace pqleash::reporter {

struct LedgerRecords {
  ledger::Header header;                            // as read last
  std::vector<ledger::ConnectionSlot> connections;  // whole ones that are not free
  uint64_t connections_in_motion = 0;
  std::vector<ledger::CallSite> call_sites;
  std::vector<uint64_t> frames;
  std::vector<ledger::ScriptFrame> script_frames;
  std::vector<ledger::Module> modules;  // in motion: all zero
  uint64_t modules_in_motion = 0;
  std::vector<ledger::Target> targets;
  std::vector<char> strings;
  std::vector<ledger::HistoryPeriod> history;  // all records, used or not
  std::vector<std::string> warnings;
};

// Reads everything. No value: fine.
std::optional<LedgerError> ReadRecords(const LedgerFile& file, LedgerRecords* records);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_LEDGER_RECORDS_H_
