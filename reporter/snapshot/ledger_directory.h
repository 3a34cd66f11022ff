// SPDX-License-Identifier: Apache-2.0
//
// Where ledgers are, and what their names say.

#ifndef PQLEASH_REPORTER_SNAPSHOT_LEDGER_DIRECTORY_H_
#define PQLEASH_REPORTER_SNAPSHOT_LEDGER_DIRECTORY_H_

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/snapshot/ledger_error.h"
#include "shim/config/default_directory.h"

namespace pqleash::reporter {

// <pid>-<start time in clock ticks>[.<image>].ledger. Image 0 has no number.
struct LedgerName {
  int32_t pid = 0;
  uint64_t start_ticks = 0;
  uint32_t image = 0;
  auto operator<=>(const LedgerName&) const = default;
};

// No value: not the name of a ledger. Exactly the names that the library makes: no sign, no leading
// zero.
std::optional<LedgerName> ParseLedgerName(std::string_view name);

struct LedgerEntry {
  std::string path;
  LedgerName name;
  bool newest_image = true;  // false: the process has exec'd since
};

struct LedgerListing {
  std::vector<LedgerEntry> entries;   // by directory, then pid, start time, image
  std::vector<LedgerError> problems;  // directories that could not be read
};

// The user whose ledgers this process may read: its own, or 0 for all users' where it may read
// every file: as root, or with CAP_DAC_READ_SEARCH, as pqleash.service.
uid_t ReadingUid();

// The directories to look in: `configured` if it is not empty (PQLEASH_DIR), otherwise those of
// config::DefaultDirectories, and for 0 (ReadingUid) those of all users who have one in /dev/shm.
std::vector<std::string> LedgerDirectories(const std::string& configured, uid_t uid,
                                           const config::DirectoryRoots& roots = {});

// Opens one of these directories for reading; one called pqleash-<uid> must belong to that user, be
// no link and not be writable for others. -1: `problem` says why, or has no value where there is no
// such directory. The caller closes the descriptor.
int OpenLedgerDirectory(const std::string& path, std::optional<LedgerError>* problem);

// The names in a directory, sorted. Leaves the descriptor open.
std::vector<std::string> NamesInDirectory(int directory);

// Directories that do not exist hold no ledgers: that is no problem. One that OpenLedgerDirectory
// refuses is.
LedgerListing ListLedgers(const std::vector<std::string>& directories);

// Marks the older images of each process in a list sorted by name.
void MarkNewestImages(std::vector<LedgerEntry>* entries);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_LEDGER_DIRECTORY_H_
