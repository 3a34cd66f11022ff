// SPDX-License-Identifier: Apache-2.0
//
// The directory of the ledgers: prepared and checked before use, and kept from growing without end.

#ifndef PQLEASH_SHIM_LEDGER_DIRECTORY_H_
#define PQLEASH_SHIM_LEDGER_DIRECTORY_H_

#include <sys/types.h>

#include <cstdint>

namespace pqleash::ledger {

// A sentence about what went wrong, for the log.
struct Problem {
  char text[400];
};

// Opens `path` (made with mode 0700 if it is not there; its parent must be). It must be a
// directory, no link, owned by `uid` and closed to everybody else: in /dev/shm anybody could have
// put something else there. -1: `problem` says why. The caller closes the descriptor.
int OpenDirectory(const char* path, uid_t uid, Problem* problem);

// Creates <pid>-<start_ticks>[.<n>].ledger in `directory`, mode 0400, never following a link and
// never taking a file that is there. -1: `problem` says why. The caller closes the descriptor.
// `name` receives the file's name.
int CreateLedgerFile(int directory, pid_t pid, uint64_t start_ticks, char (&name)[64],
                     Problem* problem);

// Whether the process with this id is one that removes old ledgers. In a directory of up to some
// hundred files each is; in a larger one as many fewer as it is larger, so that what a process pays
// does not grow with the number of processes. Some more of the dead are kept for a while then.
bool TimeToSweep(int directory, uint64_t pid);
inline constexpr uint64_t kFilesSweptByAll = 256;
inline constexpr uint64_t kMostBetweenSweeps = 256;

// Removes the oldest ledgers of dead processes until at most `keep` are left. Looks at 16,384 files
// at most. Ledgers of another pid namespace are left alone: whether their process lives cannot be
// told from here.
void RemoveOldLedgers(int directory, uint32_t keep, uint64_t pid_namespace);

}  // namespace pqleash::ledger

#endif  // PQLEASH_SHIM_LEDGER_DIRECTORY_H_
