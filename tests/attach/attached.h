// SPDX-License-Identifier: Apache-2.0
//
// What the tests of `pqleash attach` share: a program that runs bare and does what it is told, line
// by line (programs/told.cc says which lines there are), and the tool beside it.

#ifndef PQLEASH_TESTS_ATTACH_ATTACHED_H_
#define PQLEASH_TESTS_ATTACH_ATTACHED_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/e2e/observed.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {

class Attach : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(getenv("PGHOST"), nullptr) << "to be run by scripts/with-postgres";
  }

  // A program that runs bare.
  static std::unique_ptr<Subprocess> Start(
      const Words& words,
      const std::map<std::string, std::optional<std::string>>& environment = {}) {
    Command command = {.arguments = words, .environment = environment};
    command.environment.emplace("LD_PRELOAD", std::nullopt);
    command.hold_input = true;
    auto program = std::make_unique<Subprocess>(command);
    EXPECT_TRUE(program->WaitForOutput("ready")) << program->output();
    return program;
  }

  // A line for `told`, and its answer.
  static bool Tell(Subprocess* told, const std::string& line) {
    const std::string answer = "ok " + line.substr(0, line.find(' '));
    const size_t before = told->output().size();
    if (!told->Write(line + "\n")) return false;
    return WaitUntil([&] {
      told->ReadMore();
      return told->output().find(answer, before) != std::string::npos;
    });
  }

  Outcome AttachTo(const Subprocess& program, const Words& more = {}) const {
    return Do("attach", program, more);
  }
  Outcome Do(const std::string& command, const Subprocess& program, const Words& more = {}) const {
    Words words = {command, std::to_string(program.pid())};
    words.insert(words.end(), more.begin(), more.end());
    return observed_.Tool(words);
  }

  Command AttachCommand(const Subprocess& program) const {
    return observed_.ToolCommand({"attach", std::to_string(program.pid())});
  }

  Totals Now() const { return TotalsOf(observed_.Report()); }

  static void ExpectEnd(Subprocess* told) {
    told->CloseInput();
    const Outcome& outcome = told->Wait();
    EXPECT_EQ(outcome.exit_code, 7) << HowItEnded(outcome);
    EXPECT_THAT(outcome.out, ::testing::HasSubstr("end\n"));
    EXPECT_THAT(outcome.out, ::testing::Not(::testing::HasSubstr("failed")));
    EXPECT_EQ(outcome.err, "");
  }

  const Observed observed_;
};

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_ATTACH_ATTACHED_H_
