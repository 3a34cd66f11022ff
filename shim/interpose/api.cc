// SPDX-License-Identifier: Apache-2.0

#include "shim/include/pqleash.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"
#include "shim/tracker/own_report.h"
#include "shim/tracker/process.h"

#define PQLEASH_API extern "C" __attribute__((visibility("default")))

namespace {

using pqleash::BoundedText;
using pqleash::HostStateKeeper;
using pqleash::tracker::Process;

}  // namespace

PQLEASH_API const char* pqleash_version(void) { return PQLEASH_VERSION; }

PQLEASH_API unsigned pqleash_open_connections(void) {
  const Process* process = Process::Current();
  return process != nullptr ? pqleash::ledger::Load(process->ledger.header().open) : 0;
}

PQLEASH_API size_t pqleash_opened_since(uint64_t since_ns, const struct pg_conn** connections,
                                        size_t capacity) {
  const Process* process = Process::Current();
  if (process == nullptr) return 0;
  return pqleash::tracker::OpenedSince(*process, since_ns, connections, capacity);
}

PQLEASH_API size_t pqleash_stack(const struct pg_conn* connection, char* text, size_t size) {
  const HostStateKeeper keeper;
  BoundedText bounded(text, size);
  const Process* process = Process::Current();
  if (process != nullptr) pqleash::tracker::WriteStack(*process, connection, &bounded);
  return bounded.length();
}

PQLEASH_API size_t pqleash_report_json(char* json, size_t size) {
  const HostStateKeeper keeper;
  BoundedText bounded(json, size);
  const Process* process = Process::Current();
  if (process != nullptr) pqleash::tracker::WriteOwnReport(*process, pqleash::Now(), &bounded);
  return bounded.length();
}
