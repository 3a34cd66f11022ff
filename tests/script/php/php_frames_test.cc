// SPDX-License-Identifier: Apache-2.0
//
// What is captured of PHP programs, by the pgsql extension and a real PHP.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/script/ruby/script_run.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kScript = PQLEASH_SCRIPTS "/shop.php";
const std::string kIncluded = PQLEASH_SCRIPTS "/included.php";

bool HasExtensions(const std::string& names) {
  return Succeeds(
      {"php", "-r",
       "foreach (explode(',', '" + names + "') as $name) if (!extension_loaded($name)) exit(1);"});
}

class PhpFrames : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasExtensions("pgsql")) GTEST_SKIP() << "php with its pgsql extension is not installed";
  }

  static ScriptFrame At(const std::string& function, const std::string& mark,
                        const std::string& file = kScript) {
    return {"PHP", function, file, LineOf(file, "// " + mark)};
  }

  static ScriptRun Run(const std::string& how,
                       std::map<std::string, std::optional<std::string>> environment = {},
                       std::vector<std::string> options = {}) {
    std::vector<std::string> arguments = {"php"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.insert(arguments.end(), {kScript, how});
    ScriptRun run = RunWithProbe({.arguments = arguments, .environment = std::move(environment)});
    EXPECT_EQ(run.outcome.signal, 0) << run.outcome.err;
    EXPECT_FALSE(run.outcome.timed_out);
    EXPECT_THAT(run.remarks, Not(Contains("differs")));
    EXPECT_THAT(run.remarks, Not(Contains("errno changed")));
    return run;
  }

  static std::vector<ScriptFrame> Only(const ScriptRun& run) {
    EXPECT_THAT(run.captures, SizeIs(1)) << run.outcome.out << run.outcome.err;
    return run.captures.empty() ? std::vector<ScriptFrame>() : run.captures[0];
  }

  static std::vector<ScriptFrame> NestedFrames() {
    return {At("Shop\\connect", "connect"),
            At("Shop\\Orders::audited", "audited"),
            At(kClosure, "closure"),
            At("Shop\\Orders::place", "array_map"),
            At("Shop\\Orders::open", "open"),
            At("Shop\\nested", "nested"),
            At("{main}", "main")};
  }

  static constexpr char kClosure[] = "Shop\\Orders::Shop\\{closure}";
};

TEST_F(PhpFrames, FunctionsMethodsTraitsAndClosures) {
  const ScriptRun run = Run("nested");
  const std::vector<ScriptFrame> frames = Only(run);
  std::vector<ScriptFrame> expected = NestedFrames();
  ASSERT_EQ(frames.size(), expected.size());
  // 8.4 writes where a closure begins; `array_map` ends some lines further down than it begins.
  expected[2].function = frames[2].function;
  expected[3].line = frames[3].line;
  EXPECT_EQ(frames, expected);
  // Before: with the namespace in front. Since: "{closure:Shop\Orders::place():28}".
  EXPECT_THAT(frames[2].function,
              ::testing::AnyOf(kClosure, ::testing::HasSubstr("\\Orders::{closure:Shop\\")));
  EXPECT_THAT(run.remarks, IsEmpty());
  EXPECT_EQ(run.outcome.exit_code, 0);
}

TEST_F(PhpFrames, CompiledToMachineCode) {
  const std::vector<ScriptFrame> frames = Only(Run("nested"));
  for (const char* mode : {"off", "tracing", "function"}) {
    const ScriptRun run =
        Run("nested", {},
            {"-d", "opcache.enable_cli=1", "-d", std::string("opcache.jit=") + mode, "-d",
             "opcache.jit_buffer_size=16M", "-d", "opcache.jit_hot_func=1"});
    EXPECT_EQ(Only(run), frames) << mode;
  }
}

TEST_F(PhpFrames, ConstructorOfPdo) {
  if (!HasExtensions("pdo_pgsql")) GTEST_SKIP() << "php has no pdo_pgsql";
  const ScriptRun run = Run("pdo");
  EXPECT_THAT(Only(run), ElementsAre(At("{main}", "pdo")));
  EXPECT_EQ(run.outcome.out, "refused\n");
}

TEST_F(PhpFrames, EvaluatedCode) {
  const int line = LineOf(kScript, "// eval");
  EXPECT_THAT(
      Only(Run("eval")),
      ElementsAre(At("Shop\\connect", "connect"),
                  ScriptFrame{"PHP", "{eval}",
                              kScript + "(" + std::to_string(line) + ") : eval()'d code", 2},
                  At("{main}", "eval")));
}

TEST_F(PhpFrames, IncludedFile) {
  EXPECT_THAT(Only(Run("include")),
              ElementsAre(At("Shop\\connect", "connect"), At("{include}", "included", kIncluded),
                          At("{main}", "include")));
}

TEST_F(PhpFrames, MagicMethodsAndNamelessClasses) {
  const ScriptRun run = Run("magic");
  ASSERT_THAT(run.captures, SizeIs(2));
  EXPECT_THAT(run.captures[0],
              ElementsAre(At("Shop\\connect", "connect"), At("Shop\\Orders::__get", "get"),
                          At("{main}", "magic")));
  EXPECT_THAT(run.captures[1],
              ElementsAre(At("Shop\\connect", "connect"), At("class@anonymous::run", "anonymous"),
                          ScriptFrame{"PHP", "{main}", kScript, run.captures[1].back().line}));
}

TEST_F(PhpFrames, Generators) {
  const ScriptRun run = Run("generator");
  ASSERT_THAT(run.captures, SizeIs(2));
  EXPECT_THAT(
      run.captures[0],
      ElementsAre(At("Shop\\connect", "connect"), At("Shop\\numbers", "generator"),
                  ScriptFrame{"PHP", "{main}", kScript, LineOf(kScript, "// generator main")}));
  EXPECT_EQ(run.captures[1].front(), At("Shop\\connect", "connect"));
  EXPECT_EQ(run.captures[1].back().function, "{main}");
}

TEST_F(PhpFrames, Fiber) {
  if (!Succeeds({"php", "-r", "exit(class_exists('Fiber') ? 0 : 1);"})) {
    GTEST_SKIP() << "php has no fibers";
  }
  const std::vector<ScriptFrame> frames = Only(Run("fiber"));
  ASSERT_THAT(frames, SizeIs(::testing::Ge(2)));
  EXPECT_EQ(frames[0], At("Shop\\connect", "connect"));
  EXPECT_EQ(frames[1].line, LineOf(kScript, "// fiber"));
}

TEST_F(PhpFrames, DestructorsWhileAnExceptionIsThrown) {
  const ScriptRun run = Run("exception");
  const std::vector<ScriptFrame> frames = Only(run);
  ASSERT_THAT(frames, SizeIs(::testing::Ge(2)));
  EXPECT_EQ(frames[0], At("Shop\\connect", "connect"));
  EXPECT_EQ(frames[1], At("Shop\\Orders::__destruct", "destruct"));
  // A frame that the exception has reached has no line of its own any more.
  EXPECT_EQ(frames.back().function, "{main}");
  EXPECT_THAT(frames.back().line, ::testing::AnyOf(0, LineOf(kScript, "// exception main")));
  EXPECT_EQ(run.outcome.out, "thrown " + std::to_string(LineOf(kScript, "// throw")) + "\n");
}

TEST_F(PhpFrames, ShutdownFunctionsAndDestructorsAtTheEnd) {
  const ScriptRun run = Run("shutdown");
  EXPECT_EQ(run.outcome.exit_code, 3);
  ASSERT_THAT(run.captures, SizeIs(2));
  ASSERT_THAT(run.captures[0], SizeIs(2));
  EXPECT_EQ(run.captures[0][1].line, LineOf(kScript, "// shutdown"));
  EXPECT_THAT(run.captures[1], ElementsAre(At("Shop\\connect", "connect"),
                                           At("Shop\\Orders::__destruct", "destruct")));
}

TEST_F(PhpFrames, ErrorHandler) {
  const std::vector<ScriptFrame> frames = Only(Run("error_handler"));
  ASSERT_THAT(frames, SizeIs(3));
  EXPECT_EQ(frames[1].line, LineOf(kScript, "// handler"));
  EXPECT_EQ(frames[2], At("{main}", "handler main"));
}

TEST_F(PhpFrames, AtTheMemoryLimit) {
  const ScriptRun run = Run("memory");
  EXPECT_EQ(run.outcome.out, "still here\n") << run.outcome.err;
  EXPECT_THAT(Only(run), SizeIs(7));
}

TEST_F(PhpFrames, ForkedChild) {
  if (!HasExtensions("pcntl")) GTEST_SKIP() << "php has no pcntl";
  const ScriptRun run = Run("fork");
  EXPECT_THAT(Only(run), SizeIs(7));
  EXPECT_EQ(run.outcome.out, "0\n");
}

TEST_F(PhpFrames, DeepRecursionEndsWithTheSink) {
  for (const int depth : {1, 2, 64, 200}) {
    const ScriptRun run = Run("recursion", {{"PROBE_DEPTH", std::to_string(depth)}});
    ASSERT_THAT(run.captures, SizeIs(1));
    EXPECT_THAT(run.captures[0], SizeIs(depth));
  }
  EXPECT_THAT(Only(Run("recursion", {{"PROBE_DEPTH", "1000"}})), SizeIs(303));
}

TEST_F(PhpFrames, FileNameThatIsNoUtf8) {
  const TemporaryDirectory directory;
  const std::string copy = directory / "sh\xff\xe9p.php";
  std::filesystem::copy_file(kScript, copy);
  const ScriptRun run = RunWithProbe({.arguments = {"php", copy, "nested"}});
  ASSERT_THAT(run.captures, SizeIs(1)) << run.outcome.err;
  EXPECT_THAT(FramesIn(run.captures[0], copy), SizeIs(7));
}

TEST_F(PhpFrames, TenThousandCaptures) {
  EXPECT_THAT(Only(Run("nested", {{"PROBE_REPEAT", "10000"}})), SizeIs(7));
}

TEST_F(PhpFrames, ManyConnects) {
  const ScriptRun run = Run("many");
  ASSERT_THAT(run.captures, SizeIs(2000));
  for (const auto& capture : run.captures) EXPECT_EQ(capture, run.captures[0]);
}

TEST_F(PhpFrames, ThreadThatIsNotPhps) {
  EXPECT_THAT(Only(Run("nested", {{"PROBE_THREAD", "1"}})), IsEmpty());
}

TEST_F(PhpFrames, CostOfTwentyFrames) {
  const ScriptRun run = Run("twenty", {{"PROBE_TIME", "1"}});
  ASSERT_THAT(run.captures, SizeIs(1));
  const int64_t median = MedianOf(run, "PHP");
  std::cout << run.captures[0].size() << " frames: " << median << " ns\n";
  EXPECT_GT(median, 0);
}

}  // namespace
}  // namespace pqleash::testing
