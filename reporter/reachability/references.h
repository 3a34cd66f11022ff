// SPDX-License-Identifier: Apache-2.0
//
// Tells the program's references to a connection from words that only look like one: what libpq and
// OpenSSL keep for themselves, freed memory, and parts of stacks that no function uses any more.

#ifndef PQLEASH_REPORTER_REACHABILITY_REFERENCES_H_
#define PQLEASH_REPORTER_REACHABILITY_REFERENCES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "reporter/reachability/candidates.h"
#include "reporter/reachability/memory_pass.h"
#include "reporter/reachability/process_view.h"
#include "reporter/reachability/recorded_blocks.h"

namespace pqleash::reporter {

// In Candidate::relies_on: OpenSSL itself, which does not go.
inline constexpr size_t kNoConnection = SIZE_MAX;

// Of one search. Keeps references to its arguments.
class References {
 public:
  References(const Snapshot& snapshot, ProcessView* view, Candidates* candidates)
      : snapshot_(snapshot), view_(view), candidates_(candidates) {}

  // Before a pass, with a fresh view.
  void BeginPass();

  // In a pass: the word at `address` leads to what `owner` has. Holds the candidate, or keeps the
  // word for Resolve.
  void Note(const Owner& owner, uint64_t address);

  // After a pass: tells which of the words that were kept are none of the program's. What the time
  // does not suffice for stays undecided.
  void Resolve(const Deadline& deadline);

  // Whether the word at `address` lies in what libpq or OpenSSL have for themselves, of any
  // connection. After a pass, as of its end.
  bool IsRecorded(uint64_t address);

 private:
  bool IsPythonDigit(uint64_t address);
  static void Postpone(Candidate* candidate, const Pending& pending);
  void Judge(Candidate* candidate, const Pending& pending, std::vector<uint64_t>* own,
             std::vector<Pending>* others);
  void Follow(Candidate* candidate, const std::vector<uint64_t>& own,
              const std::vector<Pending>& others);
  void AddThroughOthers(Candidate* candidate, const std::vector<Pending>& words,
                        std::vector<AddressRange>* leading);
  bool IsOwn(Candidate* candidate, uint64_t address);
  const RecordedBlocks& Recorded();

  const Snapshot& snapshot_;
  ProcessView* view_;
  Candidates* candidates_;
  // Of the present pass.
  std::optional<RecordedBlocks> recorded_;
  std::vector<size_t> recorded_connections_;  // indexes into the snapshot, of recorded_'s roots
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_REFERENCES_H_
