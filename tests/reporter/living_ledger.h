// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_REPORTER_LIVING_LEDGER_H_
#define PQLEASH_TESTS_REPORTER_LIVING_LEDGER_H_

#include <unistd.h>

#include <string>

#include "reporter/snapshot/proc_files.h"
#include "tests/reporter/ledger_builder.h"

namespace pqleash::reporter {

// Makes it the ledger of this very process, so that it is of a living one.
inline void MakeOfThisProcess(LedgerBuilder* builder) {
  builder->header.pid = getpid();
  builder->header.start_ticks = StartTicks(ReadProcFile("/proc/self/stat").value()).value();
  builder->header.pid_namespace = NamespaceInode(ReadLink("/proc/self/ns/pid").value()).value();
  const std::string boot_id = ReadProcFile("/proc/sys/kernel/random/boot_id").value();
  boot_id.copy(builder->header.boot_id, 36);
}

// The name of its file in a directory of ledgers.
inline std::string LedgerName(const LedgerBuilder& builder) {
  return std::to_string(builder.header.pid) + "-" + std::to_string(builder.header.start_ticks) +
         ".ledger";
}

}  // namespace pqleash::reporter

#endif  // PQLEASH_TESTS_REPORTER_LIVING_LEDGER_H_
