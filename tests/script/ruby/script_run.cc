// SPDX-License-Identifier: Apache-2.0

#include "tests/script/ruby/script_run.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <ostream>
#include <sstream>

namespace pqleash::testing {

void PrintTo(const ScriptFrame& frame, std::ostream* stream) {
  *stream << frame.language << '|' << frame.function << '|' << frame.file << '|' << frame.line;
}

std::string ProbeLibrary() { return PQLEASH_PROBE; }

ScriptRun RunWithProbe(Command command) {
  command.environment["LD_PRELOAD"] = ProbeLibrary();
  command.environment["PGCONNECT_TIMEOUT"] = "5";
  ScriptRun run;
  run.outcome = RunToEnd(command);
  std::istringstream stream(run.outcome.err);
  std::vector<ScriptFrame> frames;
  for (std::string line; std::getline(stream, line);) {
    if (line == "end") {
      run.captures.push_back(std::move(frames));
      frames.clear();
      continue;
    }
    std::vector<std::string> fields(1);
    for (const char c : line) {
      if (c == '|') {
        fields.emplace_back();
      } else {
        fields.back() += c;
      }
    }
    if (fields.size() == 4) {
      frames.push_back({fields[0], fields[1], fields[2], std::atoi(fields[3].c_str())});
    } else {
      run.remarks.push_back(line);
    }
  }
  return run;
}

std::vector<ScriptFrame> FramesIn(const std::vector<ScriptFrame>& frames, const std::string& file) {
  std::vector<ScriptFrame> result;
  for (const ScriptFrame& frame : frames) {
    if (frame.file == file) result.push_back(frame);
  }
  return result;
}

int LineOf(const std::string& file, const std::string& mark) {
  std::ifstream stream(file);
  int found = 0;
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (!line.ends_with(mark)) continue;
    EXPECT_EQ(found, 0) << file << ": '" << mark << "' is there twice";
    found = number;
  }
  EXPECT_NE(found, 0) << file << ": no line ends with '" << mark << "'";
  return found;
}

int64_t MedianOf(const ScriptRun& run, const std::string& language) {
  for (const std::string& remark : run.remarks) {
    std::istringstream stream(remark);
    std::string word;
    std::string name;
    int64_t nanoseconds = 0;
    if (stream >> word >> nanoseconds >> name && word == "median" && name == language) {
      return nanoseconds;
    }
  }
  return -1;
}

}  // namespace pqleash::testing
