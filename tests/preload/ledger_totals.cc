// SPDX-License-Identifier: Apache-2.0

#include "tests/preload/ledger_totals.h"

#include <sys/stat.h>

#include <cstring>
#include <fstream>

#include "shim/ledger/layout.h"

namespace pqleash::testing {

namespace {

void ReadLedger(const std::filesystem::path& path, LedgerTotals* totals) {
  ledger::Header header = {};
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(&header), sizeof(header))) {
    totals->faults.push_back(path.string() + " is shorter than a header");
    return;
  }
  // Without the magic number the process died while it made the file: it says nothing, as LEDGER.md
  // has it.
  if (memcmp(header.magic, ledger::kMagic, sizeof(header.magic)) != 0) return;
  if (header.version != ledger::kVersion)
    totals->faults.push_back(path.string() + " has another version");
  ++totals->ledgers;
  totals->opened += header.opened;
  totals->closed += header.closed;
  totals->failed += header.failed;
  totals->open += header.open;
  totals->unrecorded += header.unrecorded_connections;
}

std::string Octal(mode_t mode) {
  char text[16];
  snprintf(text, sizeof(text), "0%o", mode & 07777u);
  return text;
}

}  // namespace

LedgerTotals ReadLedgerTotals(const std::filesystem::path& directory) {
  LedgerTotals totals;
  struct stat status;
  if (stat(directory.c_str(), &status) != 0) return totals;
  if ((status.st_mode & 07777u) != 0700u) {
    totals.faults.push_back(directory.string() + " has mode " + Octal(status.st_mode));
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".board") continue;  // of all processes
    if (entry.path().extension() != ledger::kFileSuffix) {
      totals.faults.push_back(entry.path().string() + " is no ledger");
      continue;
    }
    if (lstat(entry.path().c_str(), &status) != 0 || (status.st_mode & 07777u) != 0400u) {
      totals.faults.push_back(entry.path().string() + " has mode " + Octal(status.st_mode));
    }
    ReadLedger(entry.path(), &totals);
  }
  return totals;
}

}  // namespace pqleash::testing
