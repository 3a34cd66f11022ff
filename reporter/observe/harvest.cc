// SPDX-License-Identifier: Apache-2.0

#include "reporter/observe/harvest.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <tuple>
#include <utility>
#include <variant>

#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/ledger_reader.h"
#include "reporter/words/duration.h"
#include "shim/support/clock.h"

namespace pqleash::reporter {
namespace {

bool SameProcess(const LedgerName& a, const LedgerName& b) {
  return a.pid == b.pid && a.start_ticks == b.start_ticks;
}

// Cheap, and never wrong about a process of ours: those of other pid namespaces are looked up then.
bool PidIsTaken(int32_t pid) { return kill(pid, 0) == 0 || errno != ESRCH; }

bool IsGone(Life life) { return life == Life::kEnded || life == Life::kKilled; }

}  // namespace

Harvest::Harvest(std::string directory, uint64_t run_id, bool removes)
    : directory_(std::move(directory)), run_id_(run_id), removes_(removes) {}

void Harvest::Gather() {
  if (!removes_) return;
  const Entries entries = ListLedgers({directory_}).entries;
  for (auto begin = entries.begin(); begin != entries.end();) {
    const auto end = std::find_if(begin, entries.end(), [&](const LedgerEntry& entry) {
      return !SameProcess(entry.name, begin->name);
    });
    // A process's images go together: the library numbers them by the files that are there.
    if (!PidIsTaken(begin->name.pid) && Take(begin, end)) {
      for (auto entry = begin; entry != end; ++entry) unlink(entry->path.c_str());
    }
    begin = end;
  }
}

bool Harvest::Take(Entries::const_iterator begin, Entries::const_iterator end) {
  std::vector<Snapshot> images;
  std::vector<std::string> problems;
  for (auto entry = begin; entry != end; ++entry) {
    LedgerResult result = ReadListedLedger(entry->path);
    if (auto* error = std::get_if<LedgerError>(&result)) {
      // A process that died in its first connect has left nothing to read.
      if (error->kind != LedgerError::Kind::kNotYetWritten)
        problems.push_back(std::move(error->sentence));
      continue;
    }
    Snapshot& snapshot = std::get<Snapshot>(result);
    if (snapshot.process.run_id != run_id_) continue;
    const Liveness liveness = probe_.Look(snapshot.process, entry->newest_image);
    if (entry->newest_image && !IsGone(liveness.life)) return false;
    SetLife(liveness.life, liveness.visible_pid, Now(), &snapshot);
    images.push_back(std::move(snapshot));
  }
  std::move(images.begin(), images.end(), std::back_inserter(collected_.snapshots));
  std::move(problems.begin(), problems.end(), std::back_inserter(collected_.incomplete));
  return true;
}

Collected Harvest::Finish() {
  Selection selection;
  selection.directory = directory_;
  selection.run_id = run_id_;
  Collected rest = Collect(selection);
  std::move(rest.snapshots.begin(), rest.snapshots.end(), std::back_inserter(collected_.snapshots));
  std::move(rest.incomplete.begin(), rest.incomplete.end(),
            std::back_inserter(collected_.incomplete));
  std::stable_sort(collected_.snapshots.begin(), collected_.snapshots.end(),
                   [](const Snapshot& a, const Snapshot& b) {
                     return std::tuple(a.process.pid, a.process.created_realtime_ns) <
                            std::tuple(b.process.pid, b.process.created_realtime_ns);
                   });
  return std::move(collected_);
}

}  // namespace pqleash::reporter
