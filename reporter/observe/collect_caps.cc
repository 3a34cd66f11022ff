// SPDX-License-Identifier: Apache-2.0

#include "reporter/observe/collect_caps.h"

#include <utility>

#include "reporter/observe/collect.h"
#include "shim/support/clock.h"

namespace pqleash::reporter {

CapsReport CollectCaps(const std::vector<SharedBoard>& boards,
                       const std::vector<Snapshot>& snapshots,
                       std::vector<std::string> incomplete) {
  std::vector<ProcessBoardSource> processes;
  for (const Snapshot& snapshot : snapshots) {
    const Process& process = snapshot.process;
    std::optional<BoardSnapshot> board = ReadLedgerBoard(process.ledger);
    if (!board) continue;
    processes.push_back({process.visible_pid != 0 ? process.visible_pid : process.pid,
                         process.service, process.ledger, *std::move(board)});
  }
  std::vector<BoardSource> shared;
  for (const SharedBoard& board : boards) shared.push_back({board.path, board.snapshot});
  // The clock is read after the boards, so that little in them lies in the future.
  return BuildCapsReport(shared, processes, Now(), std::move(incomplete), CurrentOccasion());
}

std::vector<CapsPolicy> CollectCapsOf(const std::vector<Snapshot>& snapshots,
                                      const std::string& directory) {
  const CollectedBoards collected = CollectBoards(directory);
  CapsReport report = CollectCaps(collected.boards, snapshots, {});
  std::vector<std::string> services;
  for (const Snapshot& snapshot : snapshots) services.push_back(snapshot.process.service);
  if (services.empty()) return {};
  KeepPolicies("", services, &report);
  return std::move(report.policies);
}

}  // namespace pqleash::reporter
