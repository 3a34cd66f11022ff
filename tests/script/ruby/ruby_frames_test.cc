// SPDX-License-Identifier: Apache-2.0
//
// What is captured of Ruby programs, by ruby-pg and a real Ruby.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/script/ruby/script_run.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kScript = PQLEASH_SCRIPTS "/shop.rb";

class RubyFrames : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Succeeds({"ruby", "-rpg", "-e", "1"})) {
      GTEST_SKIP() << "ruby with ruby-pg is not installed";
    }
  }

  static ScriptFrame At(const std::string& function, const std::string& mark) {
    return {"Ruby", function, kScript, LineOf(kScript, "# " + mark)};
  }

  static ScriptRun Run(const std::string& how,
                       std::map<std::string, std::optional<std::string>> environment = {}) {
    ScriptRun run =
        RunWithProbe({.arguments = {"ruby", kScript, how}, .environment = std::move(environment)});
    EXPECT_EQ(run.outcome.signal, 0) << run.outcome.err;
    EXPECT_FALSE(run.outcome.timed_out);
    EXPECT_THAT(run.remarks, Not(Contains("differs")));
    EXPECT_THAT(run.remarks, Not(Contains("errno changed")));
    return run;
  }

  // The script's own frames of the only capture.
  static std::vector<ScriptFrame> Only(const ScriptRun& run) {
    EXPECT_THAT(run.captures, SizeIs(1)) << run.outcome.err;
    return run.captures.empty() ? std::vector<ScriptFrame>() : FramesIn(run.captures[0], kScript);
  }
};

const char kOrdersPlace[] = "Shop::Orders#place";

TEST_F(RubyFrames, MethodsModulesBlocksAndLambdas) {
  const ScriptRun run = Run("nested");
  EXPECT_THAT(
      Only(run),
      ElementsAre(At("Object#connect", "connect"), At("Shop::Auditing#audited", "audited"),
                  At(kOrdersPlace, "block"),
                  ScriptFrame{"Ruby", kOrdersPlace, kScript, LineOf(kScript, "[1].each do |_|")},
                  At("Shop::Orders.open", "open"), At("Object#nested", "lambda"),
                  At("Object#nested", "nested"), At("<main>", "main")));
  ASSERT_FALSE(run.captures[0].empty());
  EXPECT_EQ(run.captures[0][0].function.substr(0, 15), "PG::Connection.");  // the driver's own
  EXPECT_EQ(run.outcome.exit_code, 0);
  EXPECT_THAT(run.remarks, IsEmpty());
}

TEST_F(RubyFrames, MethodsOfABlock) {
  EXPECT_THAT(Only(Run("defined")),
              ElementsAre(At("Object#connect", "connect"), At("block in <class:Orders>", "defined"),
                          At("<main>", "defined main")));
}

TEST_F(RubyFrames, SingletonAndNamelessClasses) {
  const ScriptRun run = Run("singleton");
  ASSERT_THAT(run.captures, SizeIs(2));
  EXPECT_THAT(FramesIn(run.captures[0], kScript),
              ElementsAre(At("Object#connect", "connect"), At("alone", "alone"),
                          At("<main>", "singleton main")));
  EXPECT_THAT(FramesIn(run.captures[1], kScript),
              ElementsAre(At("Object#connect", "connect"), At("nameless", "nameless"),
                          At("<main>", "anonymous main")));
}

TEST_F(RubyFrames, EvaluatedCode) {
  const ScriptRun run = Run("eval");
  EXPECT_THAT(Only(run), ElementsAre(At("Object#connect", "connect"), At("<main>", "eval main")));
  EXPECT_THAT(run.captures.at(0),
              Contains(ScriptFrame{"Ruby", "Object#evaluated", "made_up.rb", 42}));
}

TEST_F(RubyFrames, PendingExceptionsAndThrowsGoOn) {
  EXPECT_EQ(Run("pending").outcome.out, "#<ArgumentError: pending>\nnil\n5\n");
}

TEST_F(RubyFrames, ThreadsThatWaitForTheLock) {
  const ScriptRun run = Run("threads");
  ASSERT_THAT(run.captures, SizeIs(3));
  for (const auto& capture : run.captures) {
    EXPECT_THAT(
        FramesIn(capture, kScript),
        ElementsAre(At("Object#connect", "connect"), At("block (2 levels) in <main>", "thread")));
  }
}

TEST_F(RubyFrames, KilledThread) { EXPECT_EQ(Run("killed").outcome.out, "false\n"); }

TEST_F(RubyFrames, Fiber) {
  EXPECT_THAT(Only(Run("fiber")),
              ElementsAre(At("Object#connect", "connect"), At("block in <main>", "fiber")));
}

TEST_F(RubyFrames, ForkedChild) {
  const ScriptRun run = Run("fork");
  EXPECT_THAT(Only(run),
              ::testing::IsSupersetOf({At("Object#connect", "connect"), At("<main>", "fork")}));
  EXPECT_EQ(run.outcome.out, "0\n");
}

TEST_F(RubyFrames, AtExit) {
  const ScriptRun run = Run("at_exit");
  EXPECT_THAT(Only(run),
              ElementsAre(At("Object#connect", "connect"), At("block in <main>", "at_exit")));
  EXPECT_EQ(run.outcome.exit_code, 3);
}

TEST_F(RubyFrames, Finalizer) {
  const ScriptRun run = Run("finalizer");
  EXPECT_THAT(Only(run),
              ElementsAre(At("Object#connect", "connect"), At("block in <main>", "finalizer")));
  EXPECT_EQ(run.outcome.exit_code, 0);
}

TEST_F(RubyFrames, TrapHandler) {
  EXPECT_THAT(Only(Run("trap")), ::testing::IsSupersetOf({At("Object#connect", "connect"),
                                                          At("block in <main>", "trap")}));
}

TEST_F(RubyFrames, DeepRecursionEndsWithTheSink) {
  for (const int depth : {1, 2, 64, 200}) {
    const ScriptRun run = Run("recursion", {{"PROBE_DEPTH", std::to_string(depth)}});
    ASSERT_THAT(run.captures, SizeIs(1));
    EXPECT_THAT(run.captures[0], SizeIs(depth));
  }
}

TEST_F(RubyFrames, FileNameThatIsNoUtf8) {
  const TemporaryDirectory directory;
  const std::string copy = directory / "sh\xff\xe9p.rb";
  std::filesystem::copy_file(kScript, copy);
  // Not as $0: ruby-pg makes an application_name of that, and refuses.
  const ScriptRun run =
      RunWithProbe({.arguments = {"ruby", "-e", "load ARGV.shift", copy, "nested"}});
  ASSERT_THAT(run.captures, SizeIs(1)) << run.outcome.err;
  EXPECT_THAT(FramesIn(run.captures[0], copy), SizeIs(8));
}

TEST_F(RubyFrames, CollectionAtEachAllocation) {
  EXPECT_THAT(Only(Run("stress", {{"PROBE_REPEAT", "200"}})), SizeIs(8));
}

TEST_F(RubyFrames, TenThousandCaptures) {
  EXPECT_THAT(Only(Run("nested", {{"PROBE_REPEAT", "10000"}})), SizeIs(8));
}

TEST_F(RubyFrames, ObjectsThatMove) {
  const ScriptRun run = Run("compact");
  ASSERT_THAT(run.captures, SizeIs(50));
  for (const auto& capture : run.captures) EXPECT_EQ(capture, run.captures[0]);
}

TEST_F(RubyFrames, LockHeld) {
  const ScriptRun run = Run("held");
  EXPECT_THAT(Only(run), ElementsAre(At("<main>", "held")));
}

TEST_F(RubyFrames, NothingIsAllocated) { EXPECT_EQ(Run("allocations").outcome.out, "same\n"); }

TEST_F(RubyFrames, ThreadThatIsNotRubys) {
  EXPECT_THAT(Only(Run("nested", {{"PROBE_THREAD", "1"}})), IsEmpty());
}

TEST_F(RubyFrames, EmbeddedInAPrivateScope) {
  const Outcome where = RunToEnd(
      {.arguments = {"ruby", "-rrbconfig", "-e",
                     "c = RbConfig::CONFIG; print c.values_at('archlibdir', 'libdir').compact"
                     ".map { |d| File.join(d, c['LIBRUBY_SO']) }.find { |f| File.exist?(f) }"}});
  if (!std::filesystem::exists(where.out)) GTEST_SKIP() << "no libruby";
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{PQLEASH_EMBEDDED, where.out},
        std::vector<std::string>{PQLEASH_EMBEDDED, where.out, "fibers"}}) {
    const ScriptRun run = RunWithProbe({.arguments = arguments});
    EXPECT_EQ(run.outcome.exit_code, 0) << HowItEnded(run.outcome) << run.outcome.err;
    EXPECT_EQ(run.outcome.out, "state 0\n");
    ASSERT_THAT(run.captures, SizeIs(6)) << run.outcome.err;
    for (size_t i = 0; i < run.captures.size(); ++i) {
      if (i != 3) {
        EXPECT_THAT(run.captures[i], IsEmpty()) << i;
      }
    }
    ASSERT_THAT(run.captures[3], SizeIs(2));
    // The file is "eval" or "(eval at …)", as the version has it.
    EXPECT_EQ(run.captures[3][0].function, "Object#outer");
    EXPECT_EQ(run.captures[3][0].line, 2);
    EXPECT_EQ(run.captures[3][1].line, 4);
  }
}

TEST_F(RubyFrames, CostOfTwentyFrames) {
  const ScriptRun run = Run("twenty", {{"PROBE_TIME", "1"}});
  ASSERT_THAT(run.captures, SizeIs(1));
  const int64_t median = MedianOf(run, "Ruby");
  std::cout << run.captures[0].size() << " frames: " << median << " ns\n";
  EXPECT_GT(median, 0);
}

}  // namespace
}  // namespace pqleash::testing
