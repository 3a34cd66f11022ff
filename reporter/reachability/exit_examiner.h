// SPDX-License-Identifier: Apache-2.0
//
// Looks into processes that are about to end, for references to their open connections.

#ifndef PQLEASH_REPORTER_REACHABILITY_EXIT_EXAMINER_H_
#define PQLEASH_REPORTER_REACHABILITY_EXIT_EXAMINER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "reporter/reachability/verdict.h"

namespace pqleash::reporter {

// Used from one thread.
class ExitExaminer {
 public:
  virtual ~ExitExaminer() = default;

  // What the examined programs' environment gets added, so that they wait for a look in their exit.
  virtual std::vector<std::pair<std::string, std::string>> Variables() const = 0;

  // Looks once at the processes that have ledgers in `directory`, and lets those go on that waited
  // for it. Called some twenty times a second while they run; must return soon. Throws nothing.
  virtual void Look(const std::string& directory) = 0;

  // All verdicts so far, at most one a handle.
  virtual std::vector<HandleVerdict> Verdicts() const = 0;
};

// One that asks for nothing and knows nothing, as long as there is no other.
std::unique_ptr<ExitExaminer> MakeExitExaminer();

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_EXIT_EXAMINER_H_
