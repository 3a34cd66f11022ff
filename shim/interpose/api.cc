// SPDX-License-Identifier: Apache-2.0

#include "shim/include/pqleash.h"
#include "shim/tracker/process.h"

extern "C" __attribute__((visibility("default"))) const char* pqleash_version(void) {
  return PQLEASH_VERSION;
}

extern "C" __attribute__((visibility("default"))) unsigned pqleash_open_connections(void) {
  const auto* process = pqleash::tracker::Process::Current();
  return process != nullptr ? pqleash::ledger::Load(process->ledger.header().open) : 0;
}
