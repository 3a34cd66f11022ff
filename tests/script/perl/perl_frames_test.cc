// SPDX-License-Identifier: Apache-2.0
//
// What is captured of Perl programs, by DBD::Pg and a real perl.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/script/ruby/script_run.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kScript = PQLEASH_SCRIPTS "/shop.pl";
const std::string kRequired = PQLEASH_SCRIPTS "/required.pl";

class PerlFrames : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!Succeeds({"perl", "-MDBD::Pg", "-e", "1"})) {
      GTEST_SKIP() << "perl with DBD::Pg is not installed";
    }
  }

  static ScriptFrame At(const std::string& function, const std::string& mark,
                        const std::string& file = kScript) {
    return {"Perl", function, file, LineOf(file, "# " + mark)};
  }

  static ScriptRun Run(std::vector<std::string> arguments,
                       std::map<std::string, std::optional<std::string>> environment = {},
                       const std::string& script = kScript) {
    arguments.insert(arguments.begin(), script);
    arguments.insert(arguments.begin(), "perl");
    environment["PROBE_LIBRARY"] = ProbeLibrary();
    ScriptRun run = RunWithProbe({.arguments = arguments, .environment = std::move(environment)});
    EXPECT_EQ(run.outcome.signal, 0) << run.outcome.err;
    EXPECT_FALSE(run.outcome.timed_out);
    EXPECT_THAT(run.remarks, Not(Contains("differs")));
    EXPECT_THAT(run.remarks, Not(Contains("errno changed")));
    return run;
  }

  // Without the driver's own frames.
  static std::vector<ScriptFrame> Ours(const std::vector<ScriptFrame>& frames) {
    std::vector<ScriptFrame> result;
    for (const ScriptFrame& frame : frames) {
      if (!frame.file.ends_with(".pm")) result.push_back(frame);
    }
    return result;
  }

  static std::vector<ScriptFrame> Only(const ScriptRun& run) {
    EXPECT_THAT(run.captures, SizeIs(1)) << run.outcome.out << run.outcome.err;
    return run.captures.empty() ? std::vector<ScriptFrame>() : Ours(run.captures[0]);
  }

  // The line of a statement in one branch of a long `if`, or that of the `if`: perl keeps no more,
  // see ClosestCopBefore.
  static ::testing::Matcher<ScriptFrame> Main(const std::string& mark) {
    return AnyOf(At("(main)", mark),
                 ScriptFrame{"Perl", "(main)", kScript, LineOf(kScript, "'nested') {")});
  }
};

TEST_F(PerlFrames, SubsMethodsAndClosures) {
  const ScriptRun run = Run({"nested"});
  EXPECT_THAT(
      Only(run),
      ElementsAre(At("main::connect_once", "connect"), At("Shop::Orders::place", "place"),
                  At("main::__ANON__", "anonymous"), At("main::nested", "nested"), Main("main")));
  ASSERT_FALSE(run.captures[0].empty());
  EXPECT_EQ(run.captures[0][0].function, "DBD::Pg::dr::connect");
  EXPECT_TRUE(run.captures[0][0].file.ends_with("/DBD/Pg.pm")) << run.captures[0][0].file;
  EXPECT_EQ(run.outcome.exit_code, 0);
  EXPECT_THAT(run.remarks, IsEmpty());
}

TEST_F(PerlFrames, EvalBlocksAndStrings) {
  const ScriptRun run = Run({"evals"});
  ASSERT_THAT(run.captures, SizeIs(2));
  EXPECT_THAT(Ours(run.captures[0]),
              ElementsAre(At("main::connect_once", "connect"), At("(main)", "eval block")));
  const std::vector<ScriptFrame> frames = Ours(run.captures[1]);
  ASSERT_THAT(frames, SizeIs(3));
  EXPECT_EQ(frames[1].function, "(eval)");
  EXPECT_EQ(frames[1].file.substr(0, 6), "(eval ");
  EXPECT_EQ(frames[1].line, 2);
  EXPECT_EQ(frames[2], At("(main)", "eval string"));
  EXPECT_EQ(run.outcome.out, "");
}

TEST_F(PerlFrames, RequiredFile) {
  EXPECT_THAT(Only(Run({"require", kRequired})),
              ElementsAre(At("main::connect_once", "connect"),
                          At("(require)", "required", kRequired), Main("require")));
}

TEST_F(PerlFrames, PendingErrorAndHandlersOfAConnect) {
  EXPECT_EQ(Run({"pending"}).outcome.out, "pending\ntopic at\n");
}

TEST_F(PerlFrames, NothingChangesInACapture) {
  const ScriptRun run = Run({"undisturbed"}, {{"PROBE_REPEAT", "100"}});
  EXPECT_EQ(run.outcome.out, "5 topic at pending\n");
  EXPECT_THAT(Only(run), ElementsAre(At("main::__ANON__", "probe"), At("(main)", "probe")));
}

TEST_F(PerlFrames, SortBlock) {
  EXPECT_THAT(Only(Run({"sort"})), ElementsAre(At("main::connect_once", "connect"), Main("sort")));
}

TEST_F(PerlFrames, TiedVariable) {
  const ScriptRun run = Run({"tie"});
  EXPECT_THAT(Only(run), ElementsAre(At("main::connect_once", "connect"),
                                     At("Shop::Tied::FETCH", "fetch"), At("(main)", "tied")));
  EXPECT_EQ(run.outcome.out, "6\n");
}

TEST_F(PerlFrames, SignalHandler) {
  const std::vector<ScriptFrame> frames = Only(Run({"signal"}));
  ASSERT_THAT(frames, SizeIs(3));
  EXPECT_EQ(frames[1], At("main::__ANON__", "handler"));
}

TEST_F(PerlFrames, WhileCompiling) {
  const std::vector<ScriptFrame> frames = Only(Run({"begin"}));
  ASSERT_THAT(frames, SizeIs(5));
  EXPECT_EQ(frames[1].function, "main::early");
  EXPECT_EQ(frames[2].function, "main::BEGIN");
  EXPECT_EQ(frames[3].function, "(eval)");
  EXPECT_EQ(frames[4].function, "(main)");
}

TEST_F(PerlFrames, Destructor) {
  const std::vector<ScriptFrame> frames = Only(Run({"destroy"}));
  ASSERT_THAT(frames, SizeIs(2));
  EXPECT_EQ(frames[0], At("Shop::Orders::DESTROY", "destroy"));
}

TEST_F(PerlFrames, EndBlock) {
  const ScriptRun run = Run({"end"});
  const std::vector<ScriptFrame> frames = Only(run);
  ASSERT_THAT(frames, SizeIs(2));
  EXPECT_EQ(frames[0].function, "main::END");
  EXPECT_EQ(run.outcome.exit_code, 3);
}

TEST_F(PerlFrames, GlobalDestruction) {
  const ScriptRun run = Run({"destruction"}, {{"PROBE_REPEAT", "1000"}});
  ASSERT_THAT(run.captures, SizeIs(2)) << run.outcome.err;
  for (const auto& capture : run.captures) {
    ASSERT_FALSE(capture.empty());
    EXPECT_EQ(capture[0], At("Shop::Orders::DESTROY", "destroy"));
  }
  EXPECT_EQ(run.outcome.exit_code, 0);
}

TEST_F(PerlFrames, InterpreterThreads) {
  if (!Succeeds({"perl", "-Mthreads", "-e", "1"})) {
    GTEST_SKIP() << "this perl has no threads";
  }
  const ScriptRun run = Run({"threads"});
  ASSERT_THAT(run.captures, SizeIs(3)) << run.outcome.err;
  for (const auto& capture : run.captures) {
    const std::vector<ScriptFrame> frames = Ours(capture);
    ASSERT_THAT(frames, SizeIs(5));
    EXPECT_EQ(frames[3], At("main::nested", "nested"));
  }
}

TEST_F(PerlFrames, ForkedChild) {
  const ScriptRun run = Run({"fork"});
  EXPECT_THAT(Only(run), SizeIs(5));
  EXPECT_EQ(run.outcome.out, "0\n");
}

TEST_F(PerlFrames, GotoAndAliases) {
  EXPECT_THAT(Only(Run({"goto"})), ElementsAre(At("main::connect_once", "connect"), Main("goto")));
  // Called by another name, and after its own has been removed from the symbol table.
  const ScriptRun run = Run({"named"});
  ASSERT_THAT(run.captures, SizeIs(2)) << run.outcome.err;
  EXPECT_EQ(Ours(run.captures[0]).at(0), At("main::connect_once", "connect"));
  EXPECT_EQ(Ours(run.captures[1]).at(0).line, LineOf(kScript, "# connect"));
}

TEST_F(PerlFrames, LineDirective) {
  EXPECT_THAT(
      Only(Run({"line"})),
      ElementsAre(At("main::connect_once", "connect"),
                  ScriptFrame{"Perl", "main::elsewhere", "elsewhere.pl", 7000}, Main("line")));
}

TEST_F(PerlFrames, DeepRecursionEndsWithTheSink) {
  for (const int depth : {1, 2, 64, 200}) {
    const ScriptRun run = Run({"recursion"}, {{"PROBE_DEPTH", std::to_string(depth)}});
    ASSERT_THAT(run.captures, SizeIs(1));
    EXPECT_THAT(run.captures[0], SizeIs(depth));
  }
  const ScriptRun run = Run({"recursion"}, {{"PROBE_DEPTH", "1000"}});
  ASSERT_THAT(run.captures, SizeIs(1));
  EXPECT_THAT(run.captures[0], SizeIs(256));
}

TEST_F(PerlFrames, FileNameThatIsNoUtf8) {
  const TemporaryDirectory directory;
  const std::string copy = directory / "sh\xff\xe9p.pl";
  std::filesystem::copy_file(kScript, copy);
  const ScriptRun run = Run({"nested"}, {}, copy);
  ASSERT_THAT(run.captures, SizeIs(1)) << run.outcome.err;
  EXPECT_THAT(FramesIn(run.captures[0], copy), SizeIs(5));
}

TEST_F(PerlFrames, TenThousandCaptures) {
  EXPECT_THAT(Only(Run({"nested"}, {{"PROBE_REPEAT", "10000"}})), SizeIs(5));
}

TEST_F(PerlFrames, ManyConnects) {
  const ScriptRun run = Run({"many"});
  ASSERT_THAT(run.captures, SizeIs(2000));
  for (const auto& capture : run.captures) EXPECT_EQ(capture.size(), run.captures[0].size());
}

TEST_F(PerlFrames, UnderTheDebugger) {
  const std::vector<ScriptFrame> frames =
      Only(Run({"undisturbed"}, {{"PERL5OPT", "-d"}, {"PERLDB_OPTS", "NonStop=1 noTTY"}}));
  ASSERT_THAT(frames, SizeIs(2));
  // The debugger adds to the name where the sub was written.
  EXPECT_EQ(frames[0].function.substr(0, 14), "main::__ANON__");
  EXPECT_EQ(frames[0].line, LineOf(kScript, "# probe"));
  EXPECT_EQ(frames[1], At("(main)", "probe"));
}

TEST_F(PerlFrames, ThreadThatIsNotPerls) {
  EXPECT_THAT(Only(Run({"nested"}, {{"PROBE_THREAD", "1"}})), IsEmpty());
}

TEST_F(PerlFrames, EmbeddedInAPrivateScope) {
  // The library itself is called libperl.so.5.x; libperl.so comes with the headers.
  const Outcome where = RunToEnd(
      {.arguments = {"perl", "-MConfig", "-e",
                     "($f) = grep { -e } map { my $d = $_; map { \"$d/$_\" } $Config{libperl}, "
                     "\"libperl.so.5.$Config{PERL_VERSION}\" } split(' ', $Config{libpth}); "
                     "print $f // ''"}});
  if (where.out.empty()) GTEST_SKIP() << "no libperl";
  const ScriptRun run = RunWithProbe({.arguments = {PQLEASH_EMBEDDED, where.out}});
  EXPECT_EQ(run.outcome.exit_code, 0) << HowItEnded(run.outcome) << run.outcome.err;
  EXPECT_EQ(run.outcome.out, "parsed 0 ran 0\n");
  ASSERT_THAT(run.captures, SizeIs(13)) << run.outcome.err;
  for (size_t i = 0; i < run.captures.size(); ++i) {
    if (run.captures[i].empty()) continue;
    EXPECT_THAT(i, AnyOf(6, 7));
  }
  EXPECT_THAT(run.captures[6], ElementsAre(ScriptFrame{"Perl", "main::outer", "-e", 2},
                                           ScriptFrame{"Perl", "(main)", "-e", 4}));
  ASSERT_FALSE(run.captures[7].empty());
  EXPECT_EQ(run.captures[7][0].function, "main::END");
}

TEST_F(PerlFrames, CostOfTwentyFrames) {
  const ScriptRun run = Run({"twenty"}, {{"PROBE_TIME", "1"}});
  ASSERT_THAT(run.captures, SizeIs(1));
  const int64_t median = MedianOf(run, "Perl");
  std::cout << run.captures[0].size() << " frames: " << median << " ns\n";
  EXPECT_GT(median, 0);
}

}  // namespace
}  // namespace pqleash::testing
