// SPDX-License-Identifier: Apache-2.0
//
// The little language of the end-to-end tests: programs under pqleash, and what pqleash says about
// them.

#ifndef PQLEASH_TESTS_E2E_OBSERVED_H_
#define PQLEASH_TESTS_E2E_OBSERVED_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

// A directory of ledgers and the programs that write into it.
class Observed {
 public:
  // A command that runs preloaded.
  Command Preloaded(const Words& words) const;
  // The same through `pqleash run`.
  Command UnderRun(const Words& words, const Words& options = {}) const;

  // `pqleash WORDS`.
  Command ToolCommand(const Words& words) const;
  Outcome Tool(const Words& words) const;
  // `pqleash report --all --format json OPTIONS`; null, with a failed expectation, when that fails.
  Json Report(const Words& options = {}) const;

  std::string ledgers() const { return directory_ / "ledgers"; }
  std::string file(const std::string& name) const { return directory_ / name; }

 private:
  const TemporaryDirectory directory_;
};

// Sums over all processes of a report.
struct Totals {
  uint64_t processes = 0;
  uint64_t open = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t failed = 0;
  bool operator==(const Totals&) const = default;
};
Totals TotalsOf(const Json& report);
std::ostream& operator<<(std::ostream& stream, const Totals& totals);

// The call site with a frame of a function whose name holds `function`; null if there is none.
Json CallSiteIn(const Json& report, const std::string& function);
// The first frame that is in the function.
Json FrameIn(const Json& call_site, const std::string& function);
// The first finding of a kind; null if there is none.
Json FindingOf(const Json& report, const std::string& kind);

// One line of `psql -c QUERY` against the test's server.
std::string Psql(const std::string& query);
// The server's own programs, past Debian's wrapper.
std::string ServerProgram(const std::string& name);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_E2E_OBSERVED_H_
