// SPDX-License-Identifier: Apache-2.0
//
// The little language of the tests of compatibility: the same programs without the library, with it
// recording, and with caps that exist but are far away.

#ifndef PQLEASH_TESTS_COMPAT_WAYS_H_
#define PQLEASH_TESTS_COMPAT_WAYS_H_

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "tests/e2e/observed.h"
#include "tests/support/subprocess.h"

namespace pqleash::testing {

enum class Way { kBare, kRecorded, kCapped };
inline constexpr std::array<Way, 3> kWays = {Way::kBare, Way::kRecorded, Way::kCapped};
std::string NameOf(Way way);

// What is compared of an output; by default all of it.
using Shown = std::function<std::string(const std::string&)>;
std::string Everything(const std::string& text);
// Numbers that a server gives out anew each time: 'PID 4711', 'pid=4711'.
std::string WithoutPids(const std::string& text);
// The lines that match an expression.
Shown Only(const std::string& expression);

class Compatible : public ::testing::Test {
 protected:
  void SetUp() override;

  // A command as it is run in one of the ways: `directory` is that way's own and empty.
  using MakeCommand = std::function<Command(const std::string& directory)>;

  // Runs the command in each way, in a database 'work' made anew for each by `schema`, and expects
  // the same end and the same output. Of the ways with the library it expects that connections were
  // recorded, and counted by the caps.
  void ExpectSame(const MakeCommand& make, const Shown& shown = Everything);
  // The same of one way, for tests that do more around it: KeepBoard, the command, ExpectRecorded.
  Command Prepared(Way way, Command command) const;
  std::unique_ptr<Subprocess> KeepBoard(Way way) const;
  void ExpectRecorded(Way way) const;

  // Files of one name that the ways have made in their directories.
  void ExpectSameFile(const std::string& name) const;
  std::string DirectoryOf(Way way) const { return observed_.file(NameOf(way)); }
  const Outcome& bare() const { return bare_; }

  // SQL that makes what is in database 'work', before each way.
  std::string schema_;
  // What is done after each way, while database 'work' is as the way has left it.
  std::function<void(const std::string& directory)> after_;
  bool same_database_ = false;  // made once, and read by all
  bool records_ = true;         // false: no connect of the command succeeds

  Observed observed_;

 private:
  void MakeDatabase() const;

  Outcome bare_;
};

// One that must succeed; its output.
std::string OutputOf(const Words& words, const std::string& input = {});
std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& text);
std::string Program(const std::string& name);
std::string Source(const std::string& name);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_COMPAT_WAYS_H_
