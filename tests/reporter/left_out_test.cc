// SPDX-License-Identifier: Apache-2.0
//
// Whatever a command leaves out, it says so: stacks beyond the frames that a report holds.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "reporter/observe/pipeline.h"
#include "tests/reporter/many_stacks.h"
#include "tests/reporter/scratch_directory.h"
#include "tests/reporter/subprocess.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kSaid[] = "1 call sites are without their stacks: there are more than 400000 frames";

// Lines are broken at blanks.
std::string Unwrapped(std::string text) {
  std::string words;
  for (const char byte : text) {
    const bool blank = byte == ' ' || byte == '\n';
    if (!blank || words.empty() || words.back() != ' ') words += blank ? ' ' : byte;
  }
  return words;
}

Collected OneStack() {
  Snapshot snapshot;
  snapshot.process.life = Life::kLive;
  snapshot.targets.resize(1);
  snapshot.call_sites.resize(2);
  CallSite& site = snapshot.call_sites[1];
  site.id = 7;
  site.open = site.opened = 1;
  site.frame_count = 3;
  snapshot.frames.resize(3);
  for (Frame& frame : snapshot.frames) frame.kind = Frame::Kind::kAddress;
  Connection connection;
  connection.call_site = 1;
  snapshot.connections.push_back(connection);
  Collected collected;
  collected.snapshots.push_back(snapshot);
  return collected;
}

TEST(AnalyseTest, AsManyFramesAsThereMayBeAreTaken) {
  Symboliser symboliser;
  AnalysisOptions options;
  options.max_frames = 3;
  const Analysis analysis = Analyse(OneStack(), &symboliser, options);
  EXPECT_EQ(analysis.call_sites.back().frames.size(), 3u);
  EXPECT_THAT(analysis.collected.incomplete, IsEmpty());
}

TEST(AnalyseTest, AStackTooManyIsAThingThatIsMissing) {
  Symboliser symboliser;
  AnalysisOptions options;
  options.max_frames = 2;
  const Analysis analysis = Analyse(OneStack(), &symboliser, options);
  EXPECT_THAT(analysis.call_sites.back().frames, IsEmpty());
  EXPECT_THAT(ReportOn(analysis, {}).incomplete,
              ElementsAre(HasSubstr("1 call sites are without their stacks")));
}

class LeftOutTest : public ::testing::Test {
 protected:
  LeftOutTest() {
    const LedgerBuilder builder = ManyStacks();
    ledger_ = directory_.Path(LedgerName(builder));
    builder.WriteTo(ledger_);
  }

  Outcome Pqleash(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), PQLEASH_TOOL);
    arguments.insert(arguments.end(), {"--dir", directory_.path()});
    return Execute(arguments);
  }

  const ScratchDirectory directory_;
  std::string ledger_;
};

TEST_F(LeftOutTest, EachCommandSaysSo) {
  const std::vector<std::vector<std::string>> commands = {{"report", "--no-scan"},
                                                          {"whois", std::to_string(kBackendOfAll)},
                                                          {"advise"},
                                                          {"top", "--once", "--interval", "100ms"}};
  for (const std::vector<std::string>& command : commands) {
    const Outcome outcome = Pqleash(command);
    EXPECT_THAT(Unwrapped(outcome.out + outcome.err), HasSubstr(kSaid)) << command.front();
  }
}

TEST_F(LeftOutTest, SoDoesAnAudit) {
  const Outcome outcome =
      Execute({PQLEASH_TOOL, "audit", "--library", "/usr/lib/x86_64-linux-gnu/libdl.so.2", "--",
               PQLEASH_MANY_STACKS},
              {{"LD_PRELOAD", ""}});
  EXPECT_THAT(Unwrapped(outcome.err), HasSubstr(kSaid));
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
}

}  // namespace
}  // namespace pqleash::reporter
