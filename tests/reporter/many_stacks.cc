// SPDX-License-Identifier: Apache-2.0
//
// A program whose ledger, which it writes as the library would, has too many stacks for a report.

#include "tests/reporter/many_stacks.h"

#include <cstdlib>

int main() {
  using pqleash::reporter::LedgerBuilder;
  LedgerBuilder builder = pqleash::reporter::ManyStacks();
  const char* run = std::getenv("PQLEASH_RUN");
  const char* directory = std::getenv("PQLEASH_DIR");
  if (run == nullptr || directory == nullptr) return 2;
  builder.header.run_id = std::strtoull(run, nullptr, 16);
  builder.WriteTo(std::string(directory) + "/" + pqleash::reporter::LedgerName(builder));
  return 0;
}
