// SPDX-License-Identifier: Apache-2.0
//
// What programs hold dear, and what they are called: secrets are looked for in every byte that
// pqleash writes, and names must stay names in all of it. Under scripts/with-postgres.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>

#include "tests/serve/served.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Everything that pqleash says of a directory, by what said it.
std::map<std::string, std::string> AllThatIsSaid(const Served& served) {
  std::map<std::string, std::string> said;
  const auto tool = [&](const Words& words) {
    Words all = {PQLEASH_TEST_TOOL};
    all.insert(all.end(), words.begin(), words.end());
    std::string name;
    for (const std::string& word : words) name += word + ' ';
    all.insert(all.end(), {"--dir", served.ledgers()});
    const Outcome outcome = RunToEnd({.arguments = all});
    EXPECT_NE(outcome.exit_code, 2) << name << outcome.err;
    said[name] = outcome.out + outcome.err;
  };
  for (const char* format :
       {"text", "json", "html", "folded", "pprof", "speedscope", "markdown", "prometheus"}) {
    tool({"report", "--all", "--format", format});
  }
  for (const char* format : {"text", "json"}) {
    tool({"ps", "--all", "--format", format});
    tool({"caps", "--format", format});
    tool({"advise", "--format", format});
  }
  for (const char* path : {"/metrics", "/api/report", "/"}) said[path] = served.Get(path).body;
  for (const auto& entry : fs::directory_iterator(served.ledgers())) {
    said[entry.path()] = ReadAll(entry.path());
  }
  return said;
}

TEST(Secrets, AreInNoByteThatIsWritten) {
  Served served;
  ASSERT_TRUE(served.Start());
  const TemporaryDirectory directory;
  const std::string passfile = directory / "passfile";
  const std::string service = directory / "service";
  std::ofstream(passfile) << "*:*:*:*:s3cr3t-passfile\n";
  ASSERT_EQ(chmod(passfile.c_str(), 0600), 0);
  std::ofstream(service) << "[shop]\npassword=s3cr3t-service\n";
  for (const char* format : {"text", "json"}) {
    SCOPED_TRACE(format);
    const std::string log = directory / (std::string("log.") + format);
    const std::string report = directory / (std::string("report.") + format);
    Subprocess program(Command{.arguments = {PQLEASH_TEST_LOGINS, passfile, service},
                               .environment = {{"LD_PRELOAD", PQLEASH_TEST_LIBRARY},
                                               {"PQLEASH_DIR", served.ledgers()},
                                               {"PQLEASH_SERVICE", "shop"},
                                               {"PQLEASH_LOG", log},
                                               {"PQLEASH_LOG_LEVEL", "debug"},
                                               {"PQLEASH_LOG_FORMAT", format},
                                               {"PQLEASH_LIMIT", "8"},
                                               {"PQLEASH_REPORT_AT_EXIT", report}},
                               .hold_input = true});
    ASSERT_TRUE(program.WaitForOutput("ready")) << program.Wait().err;
    EXPECT_TRUE(served.Becomes("pqleash_processes{service=\"shop\"}", 1));
    std::map<std::string, std::string> said = AllThatIsSaid(served);
    program.CloseInput();
    const Outcome& outcome = program.Wait();
    EXPECT_EQ(outcome.exit_code, 0) << HowItEnded(outcome);
    EXPECT_EQ(outcome.err, "");
    for (const auto& [name, text] : AllThatIsSaid(served)) said["ended: " + name] = text;
    said["log"] = ReadAll(log);
    said["report at exit"] = ReadAll(report);

    for (const auto& [name, text] : said) {
      EXPECT_NE(text, "") << name << " says nothing";
      const size_t at = text.find("s3cr3t");
      EXPECT_EQ(at, std::string::npos) << name << ": " << text.substr(at < 80 ? 0 : at - 80, 160);
    }
    // The search finds what is meant to be there.
    EXPECT_THAT(said["report --all --format json "], HasSubstr("kn0wn-w0rd"));
    EXPECT_THAT(said["/api/report"], HasSubstr("kn0wn-w0rd"));
    EXPECT_THAT(said["log"], HasSubstr("limit"));
  }
}

// As kernel.yama.ptrace_scope has it for others: the memory of a program that has sealed itself
// cannot be read by its own user either.
TEST(Memory, ThatMayNotBeReadIsASentence) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root, to be another user";
  const TemporaryDirectory directory;
  fs::permissions(directory.path(),
                  fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
  const std::string ledgers = directory / "ledgers";
  const std::string passfile = directory / "passfile";
  fs::create_directory(ledgers);
  fs::permissions(ledgers, fs::perms::owner_all);
  std::ofstream(passfile) << "";
  constexpr uid_t kNobody = 65'534;
  ASSERT_EQ(chown(ledgers.c_str(), kNobody, kNobody), 0);
  const auto copy = [&](const std::string& from, const std::string& name, mode_t mode) {
    fs::copy_file(from, directory / name);
    EXPECT_EQ(chmod((directory / name).c_str(), mode), 0);
    return directory / name;
  };
  const std::string logins = copy(PQLEASH_TEST_LOGINS, "logins", 0755);
  const std::string library = copy(PQLEASH_TEST_LIBRARY, "libpqleash.so", 0755);
  const std::string tool = copy(PQLEASH_TEST_TOOL, "pqleash", 0755);
  const Words as_nobody = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
  const auto words = [&](const Words& more) {
    Words all = as_nobody;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  Subprocess program(Command{.arguments = words({logins, passfile, passfile, "sealed"}),
                             .environment = {{"LD_PRELOAD", library}, {"PQLEASH_DIR", ledgers}},
                             .hold_input = true});
  ASSERT_TRUE(program.WaitForOutput("ready")) << program.Wait().err;
  const Outcome outcome = RunToEnd({.arguments = words({tool, "report", "--dir", ledgers})});
  EXPECT_EQ(outcome.exit_code, 0) << HowItEnded(outcome) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("Call sites (")) << "the ledger itself is read";
  EXPECT_THAT(outcome.out + outcome.err, HasSubstr("its memory was not searched"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("lost-handle")));
  program.CloseInput();
  program.Wait();
}

// What must not be in anything that goes to a terminal or is read by lines.
bool HasControls(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c != '\n' && (byte < ' ' || byte == 0x7f);
  });
}

TEST(HostileNames, StayNamesInEveryOutputAndInTheLog) {
  Served served;
  ASSERT_TRUE(served.Start());
  const TemporaryDirectory directory;
  // Not what a path cannot have.
  const std::string hostile =
      "\x1b]0;x\x07\x1b[2J\n2026-01-01T00:00:00.000Z forged[1] error: x\r\n\"} 1\n<img src=x>"
      "'`|*_{}$(touch ran)\\\xc2\x9b\xff\xe2\x80\xae";
  const std::string program = directory / hostile.substr(0, hostile.find('\''));
  std::string name = hostile.substr(0, 200);
  std::replace(name.begin(), name.end(), '/', '-');
  fs::copy_file(PQLEASH_TEST_NAMED, program);
  for (const char* format : {"text", "json"}) {
    SCOPED_TRACE(format);
    const std::string log = directory / (std::string("log.") + format);
    const std::string report = directory / (std::string("report.") + format);
    Subprocess running(Command{.arguments = {program, name},
                               .environment = {{"LD_PRELOAD", PQLEASH_TEST_LIBRARY},
                                               {"PQLEASH_DIR", served.ledgers()},
                                               {"PQLEASH_LOG", log},
                                               {"PQLEASH_LOG_LEVEL", "debug"},
                                               {"PQLEASH_LOG_FORMAT", format},
                                               {"PQLEASH_LIMIT", "1"},
                                               {"PQLEASH_ON_LIMIT", "reject"},
                                               {"PQLEASH_REPORT_AT_EXIT", report}},
                               .hold_input = true});
    ASSERT_TRUE(running.WaitForOutput("ready")) << running.Wait().err;
    ASSERT_TRUE(
        WaitUntil([&] { return served.Get("/metrics").body.find("forged") != std::string::npos; }));
    std::map<std::string, std::string> said = AllThatIsSaid(served);
    running.CloseInput();
    running.Wait();
    said["log"] = ReadAll(log);
    said["report at exit"] = ReadAll(report);
    for (const auto& [output, text] : said) {
      if (output.starts_with('/') && fs::exists(output)) continue;  // the ledgers themselves
      if (output.find("pprof") != std::string::npos) continue;      // binary
      EXPECT_FALSE(HasControls(text)) << output;
      EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b"))) << output << ": CSI of 8 bits";
      // Markdown has names in blocks of code, too: tests/exports.
      if (output.find("html") != std::string::npos || output == "/") {
        EXPECT_THAT(text, Not(HasSubstr("<img src=x>"))) << output;
      }
    }
    served.Metrics();  // each line is a sample, and there once
    // Each line of the log is one that the library began.
    const std::regex line(std::string(format) == "text"
                              ? R"(\d{4}-\d\d-\d\dT[\d:.]+Z pqleash\[\d+\] .*)"
                              : R"(\{"time":.*\})");
    std::istringstream lines(said["log"]);
    int seen = 0;
    for (std::string text; std::getline(lines, text); ++seen) {
      EXPECT_TRUE(std::regex_match(text, line)) << text;
    }
    EXPECT_GT(seen, 0);
  }
}

// The command is the operator's; names are only in variables and on stdin.
TEST(HostileNames, AreNoPartOfTheHooksCommand) {
  const TemporaryDirectory directory;
  const std::string heard = directory / "heard";
  const std::string ran = directory / "ran";
  Served served({"--on-finding",
                 "printf '%s\\n' \"$PQLEASH_FINDING_SERVICE\" >> " + heard + "; cat >> " + heard});
  const Sleeper process;
  const std::string hostile = "$(touch " + ran + ")`touch " + ran + "`;touch " + ran;
  reporter::LedgerBuilder builder = LedgerOf(process.pid(), hostile.substr(0, 60));
  const uint32_t target = builder.AddTarget(hostile, 5432, hostile, hostile, hostile);
  const uint32_t script = builder.AddScriptFrame(ledger::kPython, hostile, hostile, 1);
  const uint32_t site = builder.AddCallSite(0xabcdef, {reporter::ScriptFrameAt(script)});
  builder.AddConnection(site, target, 1, 2, 1).transaction = ledger::kTransactionOpen;
  Write(builder, served.ledgers());
  ASSERT_TRUE(served.Start());
  ASSERT_TRUE(WaitUntil([&] {
    return ReadAll(heard).find("idle-in-transaction") != std::string::npos;
  })) << ReadAll(heard);
  EXPECT_THAT(ReadAll(heard), HasSubstr("$(touch " + ran)) << "the name came as it is";
  EXPECT_FALSE(fs::exists(ran)) << "and was run";
}

}  // namespace
}  // namespace pqleash::testing
