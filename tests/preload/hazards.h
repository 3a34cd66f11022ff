// SPDX-License-Identifier: Apache-2.0
//
// The table of hazards: which program, how it is run, and what the ledgers say afterwards.

#ifndef PQLEASH_TESTS_PRELOAD_HAZARDS_H_
#define PQLEASH_TESTS_PRELOAD_HAZARDS_H_

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace pqleash::testing {

inline constexpr int kAny = -1;
inline constexpr int kNoLedger = -2;

// Sums over all processes of a run.
struct Expected {
  int opened = kAny;  // kNoLedger: there is no ledger at all
  int closed = kAny;
  int failed = kAny;
  int open = kAny;  // of processes that live or died; by default opened - closed
  int unrecorded = 0;
};

struct Hazard {
  std::string name;                  // of the test: letters and digits
  std::vector<std::string> command;  // a program of tests/preload/programs and its arguments
  Expected expected = {};
  // A '@' at the begin of a value stands for the run's own directory.
  std::map<std::string, std::string> environment = {};
  std::string err_to = {};         // see Command::err_to
  bool root = false;               // only root can do it
  bool same_err = true;            // stderr must be the same too
  bool default_directory = false;  // PQLEASH_DIR cannot be used: the ledger is in the default one
};

std::ostream& operator<<(std::ostream& stream, const Hazard& hazard);

// Those that need no server.
std::vector<Hazard> StandinHazards();
// Those that PostgreSQL has a say in.
std::vector<Hazard> PostgresHazards();

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_PRELOAD_HAZARDS_H_
