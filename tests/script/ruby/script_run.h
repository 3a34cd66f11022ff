// SPDX-License-Identifier: Apache-2.0
//
// Runs a script with the probe, and takes what it captured apart.

#ifndef PQLEASH_TESTS_SCRIPT_RUBY_SCRIPT_RUN_H_
#define PQLEASH_TESTS_SCRIPT_RUBY_SCRIPT_RUN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"

namespace pqleash::testing {

struct ScriptFrame {
  std::string language;
  std::string function;
  std::string file;
  int line = 0;

  bool operator==(const ScriptFrame&) const = default;
};
void PrintTo(const ScriptFrame& frame, std::ostream* stream);

struct ScriptRun {
  Outcome outcome;
  std::vector<std::vector<ScriptFrame>> captures;  // one for each connect
  std::vector<std::string> remarks;                // everything else on stderr
};

// Path of the probe, for those that call it themselves.
std::string ProbeLibrary();

// `command`'s program with the probe preloaded.
ScriptRun RunWithProbe(Command command);

// The frames that lie in `file`: those of the drivers are another project's business.
std::vector<ScriptFrame> FramesIn(const std::vector<ScriptFrame>& frames, const std::string& file);

// The number of the line of `file` that ends with `mark`; fails the test if it is not the only one.
int LineOf(const std::string& file, const std::string& mark);

// Nanoseconds that PROBE_TIME printed for `language`; -1: none.
int64_t MedianOf(const ScriptRun& run, const std::string& language);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_SCRIPT_RUBY_SCRIPT_RUN_H_
