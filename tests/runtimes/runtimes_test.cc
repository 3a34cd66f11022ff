// SPDX-License-Identifier: Apache-2.0
//
// Go calls C on the thread's stack, and has its own frames elsewhere: they are followed, and where
// they cannot be the stack ends there and says so.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "tests/e2e/observed.h"

namespace pqleash::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The functions of a call site's stack, innermost first.
std::vector<std::string> FunctionsOf(const Json& site) {
  std::vector<std::string> functions;
  for (const Json& frame : site["frames"])
    functions.push_back(frame["function"].get<std::string>());
  return functions;
}

class GoProgram : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    program_ = std::string(PQLEASH_TEST_PROGRAMS) + "/" + GetParam();
    if (access(program_.c_str(), X_OK) != 0) GTEST_SKIP() << "golang-go is not installed";
  }

  Command OnStandin(Command command) const {
    command.environment["PQLEASH_TEST_STANDIN"] = "1";
    command.environment["LD_LIBRARY_PATH"] = PQLEASH_TEST_STANDIN_DIR;
    return command;
  }

  Json ReportOfRun() {
    const Outcome outcome = RunToEnd(OnStandin(observed_.UnderRun({program_})));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "opened 6\n");
    EXPECT_EQ(outcome.err, "");
    return observed_.Report({"--no-scan"});
  }

  // Those whose stack has a frame of `function`.
  static std::vector<Json> SitesIn(const Json& report, const std::string& function) {
    std::vector<Json> sites;
    for (const Json& site : report["call_sites"]) {
      const std::vector<std::string> functions = FunctionsOf(site);
      if (std::find(functions.begin(), functions.end(), function) != functions.end())
        sites.push_back(site);
    }
    return sites;
  }

  Observed observed_;
  std::string program_;
};

TEST_P(GoProgram, GoroutinesAreFollowedToTheirBegin) {
  const Json report = ReportOfRun();
  const std::vector<Json> sites = SitesIn(report, "main.openAudit");
  ASSERT_EQ(sites.size(), 2u) << report["call_sites"].dump(1);  // a goroutine and main
  for (const Json& site : sites) {
    const std::vector<std::string> functions = FunctionsOf(site);
    ASSERT_GE(functions.size(), 6u);
    EXPECT_THAT(functions[0], HasSubstr("_Cfunc_PQconnectdb"));
    EXPECT_THAT(functions[1], HasSubstr("runtime.asmcgocall"));
    EXPECT_EQ(functions[2], "runtime.cgocall");
    EXPECT_EQ(functions[3], "main._Cfunc_PQconnectdb");
    const auto go = std::find(functions.begin(), functions.end(), "main.connect");
    ASSERT_LT(go + 1, functions.end());
    EXPECT_EQ(go[1], "main.openAudit");
    EXPECT_FALSE(site.value("stack_incomplete", false)) << site.dump(1);
    const Json frame = FrameIn(site, "main.openAudit");
    EXPECT_THAT(frame["file"].get<std::string>(), HasSubstr("/go/main.go"));
    EXPECT_EQ(site["frames"][site["headline"].get<size_t>()]["function"], "main.connect");
  }
}

// Go knows where its code is, and nothing of it is in a C file.
TEST_P(GoProgram, FramesOfGoAreInFilesOfGo) {
  for (const Json& site : ReportOfRun()["call_sites"]) {
    for (const Json& frame : site["frames"]) {
      const std::string function = frame["function"].get<std::string>();
      if (!function.starts_with("main.") && !function.starts_with("runtime.")) continue;
      EXPECT_THAT(frame["file"].get<std::string>(), ::testing::ContainsRegex("\\.(go|s)$"))
          << function;
    }
  }
}

TEST_P(GoProgram, DeepStackOfAGoroutineThatWasMoved) {
  const std::vector<Json> sites = SitesIn(ReportOfRun(), "main.openOrder");
  ASSERT_EQ(sites.size(), 2u);
  const auto frames = [](const Json& site) {
    const std::vector<std::string> functions = FunctionsOf(site);
    return std::count(functions.begin(), functions.end(), "main.openOrder");
  };
  EXPECT_EQ(std::min(frames(sites[0]), frames(sites[1])), 1);
  EXPECT_GT(std::max(frames(sites[0]), frames(sites[1])), 20);  // as deep as stacks are taken
}

TEST_P(GoProgram, CodeInCIsNamedWhereItConnects) {
  const Json report = ReportOfRun();
  const std::vector<Json> sites = SitesIn(report, "main.openInC");
  ASSERT_EQ(sites.size(), 1u);
  EXPECT_THAT(FunctionsOf(sites[0])[0], HasSubstr("OpenInC"));
}

// Go that C calls: the frames of C lie on the other stack again, and are not guessed.
TEST_P(GoProgram, AStackThroughACallbackEndsHonestly) {
  const std::vector<Json> sites = SitesIn(ReportOfRun(), "main.goOpenFromC");
  ASSERT_EQ(sites.size(), 1u);
  EXPECT_TRUE(sites[0].value("stack_incomplete", false)) << sites[0].dump(1);
  for (const std::string& function : FunctionsOf(sites[0])) {
    EXPECT_TRUE(function.starts_with("main.") || function.starts_with("runtime.") ||
                function.starts_with("_cgo"))
        << function;
  }
}

// It leaves by exit_group, without exit().
TEST_P(GoProgram, AuditJudgesWhatTheLedgerHas) {
  Command command;
  command.arguments = {PQLEASH_TEST_TOOL, "audit", "--", program_};
  const Outcome outcome = RunToEnd(OnStandin(command));
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  const std::string said = std::regex_replace(outcome.err, std::regex("\\s+"), " ");
  EXPECT_THAT(said, AllOf(HasSubstr("opened by main.connect"), HasSubstr("ended without exit()"),
                          Not(HasSubstr("not judged"))));
}

INSTANTIATE_TEST_SUITE_P(All, GoProgram, ::testing::Values("go_service", "go_service_pie"),
                         [](const ::testing::TestParamInfo<std::string>& test) {
                           return test.param == "go_service" ? "Exe" : "Pie";
                         });

}  // namespace
}  // namespace pqleash::testing
