// SPDX-License-Identifier: Apache-2.0
//
// The little language of the replayed outages: services and their clients, and how they fared.

#ifndef PQLEASH_TESTS_INCIDENTS_OUTAGE_H_
#define PQLEASH_TESTS_INCIDENTS_OUTAGE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/observed.h"
#include "tests/support/subprocess.h"

namespace pqleash::testing {

using Seconds = std::chrono::duration<double>;

// A program that says 'done' or 'failed: WHY' for each piece of work.
class Worker {
 public:
  explicit Worker(const Command& command) : process_(new Subprocess(command)) {}

  void Read();
  // Since the start, or since the last Mark().
  int done() const { return done_; }
  int failed() const { return failed_; }
  int tried() const { return done_ + failed_; }
  double Share() const { return tried() == 0 ? 0 : static_cast<double>(done_) / tried(); }
  const std::string& last_failure() const { return last_failure_; }
  void Mark() { done_ = failed_ = 0; }
  bool HasSaid(const std::string& line) const { return said_.count(line) != 0; }
  void Signal(int number) const { process_->Signal(number); }

 private:
  std::unique_ptr<Subprocess> process_;
  size_t read_ = 0;
  int done_ = 0;
  int failed_ = 0;
  std::string last_failure_;
  std::set<std::string> said_;
};

// One of the five outages.
struct Incident {
  std::string name;                    // of the program, and of the service
  std::set<std::string> kinds;         // the finding that names the cause: one of these
  std::set<std::string> consequences;  // findings that are true beside it
  std::set<std::string> verdicts;      // of the answer
  std::string function;                // that opens the connections, as a frame names it
  bool by_signal = false;    // the fault begins with SIGUSR1, after a while of normal work
  double worst_bare = 0.5;   // share of tries that may succeed bare: more is no outage
  bool own_clients = false;  // it is the service's own clients that fail
};

// What came of it, for the table.
struct Result {
  double bare = 0;          // share of the clients' tries that succeeded, once the outage was there
  double observed = 0;      // the same, with the library
  double capped = 0;        // from the onset on, with what `advise` proposes
  std::string kind;         // of the finding that names the cause, first in the report; empty: none
  double seconds = 0;       // from the onset to that
  double line_seconds = 0;  // to the first report that begins with the right call site
  std::string verdict;
  std::string sentence;
  // At any moment; 'KIND elsewhere' where it was of another call site.
  std::set<std::string> kinds_seen;
  double own_capped = 0;  // share of the service's own work that succeeded with the caps
  std::string limits;     // that were proposed
};

// The outage on an empty server: without the library, with it, and with its caps. Expects what is
// to be expected.
Result Replay(const Incident& incident);

// Programs by their name: compiled ones, or scripts.
Words ProgramOf(const std::string& name);

// Appends a line of JSON to the file that PQLEASH_TEST_RESULTS names, if it does.
void Record(const Json& json);

// Reads what the workers say until `condition` holds or `limit` is over, and says which.
bool ReadUntil(const std::vector<Worker*>& workers, const std::function<bool()>& condition,
               std::chrono::milliseconds limit);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_INCIDENTS_OUTAGE_H_
