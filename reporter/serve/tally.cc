// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/tally.h"

#include <signal.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "reporter/observe/collect_caps.h"

namespace pqleash::reporter {
namespace {

bool IsGone(const std::string& path) {
  struct stat status = {};
  return lstat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool IsThere(const std::string& source) {
  const CapSource cap = SourceOf(source);
  if (IsGone(cap.board)) return false;
  return cap.pid == 0 || kill(cap.pid, 0) == 0 || errno != ESRCH;
}

bool Lives(const Snapshot& snapshot) {
  return snapshot.process.life == Life::kLive || snapshot.process.life == Life::kUnknown;
}

}  // namespace

void Tally::Take(const std::string& directory, Collected* collected) {
  std::vector<CountersReading> readings;
  for (const Snapshot& snapshot : collected->snapshots) {
    readings.push_back(ReadingOf(snapshot));
    if (!Lives(snapshot)) ended_.insert(snapshot.process.ledger);
  }
  // What could not be read this time, but is there, will be read again.
  services_.Take(readings, [](const std::string& path) { return !IsGone(path); });
  std::erase_if(ended_, IsGone);
  std::erase_if(collected->snapshots, [](const Snapshot& snapshot) { return !Lives(snapshot); });

  collected->caps = CollectCapsOf(collected->snapshots, directory);
  std::vector<CountersReading> decisions;
  for (const CapsPolicy& cap : collected->caps) {
    for (CountersReading& reading : ReadingsOf(cap)) decisions.push_back(std::move(reading));
  }
  caps_.Take(decisions, IsThere);
}

}  // namespace pqleash::reporter
