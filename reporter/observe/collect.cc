// SPDX-License-Identifier: Apache-2.0

#include "reporter/observe/collect.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <variant>

#include "reporter/findings/detector.h"
#include "reporter/findings/process_churn.h"
#include "reporter/observe/nothing_selected.h"
#include "reporter/snapshot/absence.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/ledger_directory.h"
#include "reporter/snapshot/ledger_reader.h"
#include "reporter/snapshot/process_liveness.h"
#include "reporter/words/duration.h"
#include "shim/support/clock.h"

namespace pqleash::reporter {
namespace {

template <typename Value>
bool Contains(const std::vector<Value>& values, const Value& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

class Collector {
 public:
  explicit Collector(const Selection& selection) : selection_(selection) {}

  Collected Collect() {
    if (!selection_.ledgers.empty()) {
      ReadNamedLedgers();
    } else {
      ReadDirectories();
      if (selection_.pids.empty()) {
        KeepSelected();
      } else {
        KeepPids();
      }
    }
    std::stable_sort(collected_.snapshots.begin(), collected_.snapshots.end(),
                     [](const Snapshot& a, const Snapshot& b) {
                       return std::tuple(a.process.pid, a.process.created_realtime_ns) <
                              std::tuple(b.process.pid, b.process.created_realtime_ns);
                     });
    return std::move(collected_);
  }

 private:
  // A file that is being created is complete within moments.
  template <typename Read>
  static LedgerResult WithPatience(const Read& read) {
    constexpr int kTries = 4;
    constexpr useconds_t kPause = 20'000;  // microseconds
    for (int tries = 1;; ++tries) {
      LedgerResult result = read();
      const auto* error = std::get_if<LedgerError>(&result);
      const bool waits = error != nullptr && error->kind == LedgerError::Kind::kNotYetWritten;
      if (!waits || tries == kTries) return result;
      usleep(kPause);
    }
  }

  void Add(Snapshot snapshot, bool newest_image) {
    const Liveness liveness = probe_.Look(snapshot.process, newest_image);
    // The clock is read after the ledger, so that nothing in it lies in the future.
    // In the clock of the process, as everything in its ledger.
    const uint64_t now = Now() + static_cast<uint64_t>(liveness.monotonic_ahead_ns);
    SetLife(liveness.life, liveness.visible_pid, now, &snapshot);
    collected_.snapshots.push_back(std::move(snapshot));
  }

  void ReadNamedLedgers() {
    for (const std::string& path : selection_.ledgers) {
      LedgerResult result = WithPatience([&] { return ReadLedger(AT_FDCWD, path, path); });
      if (auto* error = std::get_if<LedgerError>(&result)) {
        collected_.incomplete.push_back(std::move(error->sentence));
      } else {
        Add(std::get<Snapshot>(std::move(result)), IsNewestImage(path));
      }
    }
  }

  // Whether no later image of the same process lies beside it.
  static bool IsNewestImage(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const auto name = ParseLedgerName(std::string_view(path).substr(slash + 1));
    if (!name) return true;
    for (const LedgerEntry& entry : ListLedgers({directory}).entries) {
      if (entry.name == *name) return entry.newest_image;
    }
    return true;
  }

  void ReadDirectories() {
    LedgerListing listing = ListLedgers(LedgerDirectories(selection_.directory, ReadingUid()));
    for (LedgerError& problem : listing.problems) {
      collected_.incomplete.push_back(std::move(problem.sentence));
    }
    for (const LedgerEntry& entry : listing.entries) {
      if (selection_.passed_over.contains(entry.path)) continue;
      const bool of_run = selection_.run_id != 0;
      LedgerResult result = WithPatience([&] { return ReadListedLedger(entry.path); });
      if (auto* error = std::get_if<LedgerError>(&result)) {
        if (Matters(entry, *error)) collected_.incomplete.push_back(std::move(error->sentence));
        continue;
      }
      Snapshot& snapshot = std::get<Snapshot>(result);
      if (of_run && snapshot.process.run_id != selection_.run_id) continue;
      Add(std::move(snapshot), entry.newest_image);
    }
  }

  // Whether a ledger that cannot be read is missed in what was asked for.
  bool Matters(const LedgerEntry& entry, const LedgerError& error) const {
    // Removed since the directory was listed: a process makes room so.
    if (error.kind == LedgerError::Kind::kMissing) return false;
    if (!selection_.pids.empty()) return Contains(selection_.pids, entry.name.pid);
    const bool may_be_alive = MayLive(probe_.LookForName(entry.name.pid, entry.name.start_ticks));
    // A process that died in its first connect has left nothing to read.
    if (error.kind == LedgerError::Kind::kNotYetWritten) return may_be_alive;
    return selection_.all || selection_.run_id != 0 || (may_be_alive && entry.newest_image);
  }

  std::string Whose() const {
    if (ReadingUid() == 0 || !selection_.directory.empty()) return {};
    return fmt::format(" of this user ({}; root sees all)", ReadingUid());
  }

  bool IsSelected(const Snapshot& snapshot) const {
    const Process& process = snapshot.process;
    if (!selection_.services.empty() && !Contains(selection_.services, process.service))
      return false;
    return selection_.all || selection_.run_id != 0 || MayLive(process.life) ||
           (selection_.jobs && many_jobs_.contains(process.service) && IsJobOfLate(snapshot, now_));
  }

  void KeepSelected() {
    now_ = CurrentOccasion().realtime_ns;
    std::map<std::string, uint64_t> jobs;
    for (const Snapshot& snapshot : collected_.snapshots)
      jobs[snapshot.process.service] += IsJobOfLate(snapshot, now_);
    for (const auto& [service, count] : jobs) {
      if (count >= Thresholds().jobs) many_jobs_.insert(service);
    }
    if (std::none_of(collected_.snapshots.begin(), collected_.snapshots.end(),
                     [&](const Snapshot& snapshot) { return IsSelected(snapshot); })) {
      collected_.why_nothing =
          WhyNothingSelected(collected_.snapshots, selection_.services, Whose());
    }
    std::erase_if(collected_.snapshots,
                  [&](const Snapshot& snapshot) { return !IsSelected(snapshot); });
  }

  // For each pid the living process, else the newest dead one.
  void KeepPids() {
    std::vector<Snapshot> candidates = std::move(collected_.snapshots);
    collected_.snapshots.clear();
    for (const int32_t pid : selection_.pids) {
      const auto rank = [&](const Snapshot& snapshot) {
        const Process& process = snapshot.process;
        const bool seen = process.visible_pid == pid;
        const bool hidden = process.life == Life::kUnknown && process.pid == pid;
        const bool dead = !MayLive(process.life) && process.pid == pid;
        return seen ? 3 : hidden ? 2 : dead ? 1 : 0;
      };
      const Snapshot* best = nullptr;
      for (const Snapshot& snapshot : candidates) {
        if (rank(snapshot) == 0) continue;
        if (best == nullptr || std::tuple(rank(snapshot), snapshot.process.created_realtime_ns) >
                                   std::tuple(rank(*best), best->process.created_realtime_ns)) {
          best = &snapshot;
        }
      }
      if (best == nullptr) {
        collected_.incomplete.push_back(WhyNoLedger(pid));
      } else {
        collected_.snapshots.push_back(*best);
      }
    }
    if (!selection_.services.empty()) {
      std::erase_if(collected_.snapshots, [&](const Snapshot& snapshot) {
        return !Contains(selection_.services, snapshot.process.service);
      });
    }
  }

  const Selection& selection_;
  uint64_t now_ = 0;                 // CLOCK_REALTIME
  std::set<std::string> many_jobs_;  // services with many of them
  LivenessProbe probe_;
  Collected collected_;
};

}  // namespace

Collected Collect(const Selection& selection) { return Collector(selection).Collect(); }

void LookForLost(ScanOptions options, Collected* collected, ProgressLine* line) {
  Symboliser symboliser;
  for (const Snapshot& snapshot : collected->snapshots) {
    ScanResult result;
    if (snapshot.process.life == Life::kLive && snapshot.process.visible_pid != 0) {
      const int32_t pid = snapshot.process.visible_pid;
      if (line != nullptr) {
        options.progress = [line, pid](uint64_t done, uint64_t all) {
          line->Show([&] { return SearchText(pid, done, all); });
        };
      }
      result = ScanProcess(snapshot, options, &symboliser);
    }
    collected->reachability.push_back(std::move(result.reachability));
    std::move(result.incomplete.begin(), result.incomplete.end(),
              std::back_inserter(collected->incomplete));
  }
}

void AddExitVerdicts(const ExitExaminer& examiner, Collected* collected) {
  collected->reachability.resize(collected->snapshots.size());
  for (size_t i = 0; i < collected->snapshots.size(); ++i) {
    Reachability verdicts = examiner.VerdictsFor(collected->snapshots[i]);
    if (!verdicts.connections.empty()) collected->reachability[i] = std::move(verdicts);
  }
  const std::vector<std::string>& incomplete = examiner.incomplete();
  collected->incomplete.insert(collected->incomplete.end(), incomplete.begin(), incomplete.end());
}

Occasion CurrentOccasion() {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return {ReadClock(CLOCK_REALTIME), host};
}

}  // namespace pqleash::reporter
