// SPDX-License-Identifier: Apache-2.0
//
// Who may do what to whom: programs that run with other privileges than their caller's, memory that
// may not be read, caps of another user. Most of it takes root, to be somebody else.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr uid_t kNobody = 65'534;
constexpr uid_t kOther = 65'533;

// The words as user `uid`, who has no capabilities.
Words As(uid_t uid, const Words& words) {
  Words all = {"setpriv", "--reuid=" + std::to_string(uid), "--regid=" + std::to_string(uid),
               "--clear-groups"};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

class Privileges : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "takes root, to be two other users";
    // Others have to get at the directory, and at the programs, wherever they were built.
    fs::permissions(directory_.path(), fs::perms::owner_all | fs::perms::group_exec |
                                           fs::perms::others_exec | fs::perms::group_read |
                                           fs::perms::others_read);
  }

  // A directory of `uid`'s, as the library makes them.
  std::string DirectoryOf(uid_t uid, const std::string& name) const {
    const std::string path = directory_ / name;
    fs::create_directory(path);
    fs::permissions(path, fs::perms::owner_all);
    EXPECT_EQ(chown(path.c_str(), uid, uid), 0);
    return path;
  }

  std::string Copy(const std::string& program, const std::string& name) const {
    const std::string path = directory_ / name;
    fs::copy_file(program, path);
    fs::permissions(path, fs::perms::all & ~(fs::perms::group_write | fs::perms::others_write));
    return path;
  }

  const TemporaryDirectory directory_;
};

// ld.so ignores LD_PRELOAD there; a program that is linked with the library is told by AT_SECURE.
TEST_F(Privileges, ASetUserIdProgramObeysNoVariable) {
  const std::string program = Copy(PQLEASH_TEST_PRIVILEGED, "privileged");
  const std::string library = Copy(PQLEASH_TEST_LIBRARY, "libpqleash.so");
  const std::string ledgers = directory_ / "ledgers";
  const std::string log = directory_ / "log";
  const std::string report = directory_ / "report";
  const auto run = [&](uid_t uid) {
    return RunToEnd({.arguments = As(uid, {program}),
                     .environment = {{"PQLEASH_DIR", ledgers},
                                     {"PQLEASH_LOG", log},
                                     {"PQLEASH_LOG_LEVEL", "debug"},
                                     {"PQLEASH_REPORT_AT_EXIT", report},
                                     {"PQLEASH_LIMIT", "1"},
                                     {"LD_PRELOAD", library}}});
  };
  const Outcome plain = run(0);
  ASSERT_EQ(plain.out, "secure 0, failed 1, known 1\n") << plain.err;
  for (const std::string& path : {ledgers, log, report}) {
    EXPECT_TRUE(fs::exists(path)) << "nothing would be seen: " << path;
    fs::remove_all(path);
  }
  ASSERT_EQ(chmod(program.c_str(), 04755), 0);
  const Outcome secure = run(kNobody);
  if (secure.out.starts_with("secure 0")) GTEST_SKIP() << "set-user-ID has no effect here";
  EXPECT_EQ(secure.out, "secure 1, failed 1, known 0\n") << secure.err;
  EXPECT_EQ(secure.exit_code, 0) << HowItEnded(secure);
  for (const std::string& path : {ledgers, log, report}) EXPECT_FALSE(fs::exists(path)) << path;
}

TEST_F(Privileges, AnotherUserCanNeitherSeeNorChangeCapsOrLedgers) {
  const std::string ledgers = DirectoryOf(kNobody, "pqleash-" + std::to_string(kNobody));
  const std::string named = Copy(PQLEASH_TEST_NAMED, "named");
  const std::string library = Copy(PQLEASH_TEST_LIBRARY, "libpqleash.so");
  const std::string tool = Copy(PQLEASH_TEST_TOOL, "pqleash");
  Subprocess program(Command{.arguments = As(kNobody, {named, "shop"}),
                             .environment = {{"LD_PRELOAD", library},
                                             {"PQLEASH_DIR", ledgers},
                                             {"PQLEASH_SERVICE", "shop"},
                                             {"PQLEASH_LIMIT", "20"}},
                             .hold_input = true});
  ASSERT_TRUE(program.WaitForOutput("ready"));
  const Words set = {tool, "caps", "set", "limit", "--limit", "1", "--dir", ledgers};
  const auto caps = [&](uid_t uid) {
    return RunToEnd({.arguments = As(uid, {tool, "caps", "--dir", ledgers, "--format", "json"})});
  };
  const std::string before = caps(kNobody).out;
  EXPECT_THAT(before, HasSubstr("\"limit\": 20"));
  for (const Words& words :
       {set, Words{tool, "caps", "--dir", ledgers}, Words{tool, "ps", "--all", "--dir", ledgers},
        Words{tool, "report", "--dir", ledgers}}) {
    const Outcome outcome = RunToEnd({.arguments = As(kOther, words)});
    EXPECT_EQ(outcome.exit_code, 1) << words[1] << outcome.out;
    EXPECT_THAT(outcome.err + outcome.out, HasSubstr("may not be read by this user")) << words[1];
    EXPECT_THAT(outcome.out, Not(HasSubstr("shop"))) << words[1];
  }
  for (const auto& entry : fs::directory_iterator(ledgers)) {
    EXPECT_EQ(entry.status().permissions(), fs::perms::owner_read) << entry.path();
  }
  // Not even where the directory was opened to everybody.
  fs::permissions(ledgers, fs::perms::all);
  EXPECT_EQ(RunToEnd({.arguments = As(kOther, set)}).exit_code, 1);
  fs::permissions(ledgers, fs::perms::owner_all);
  EXPECT_THAT(caps(kNobody).out, HasSubstr("\"limit\": 20"));
  // And its owner can.
  const Outcome changed = RunToEnd({.arguments = As(kNobody, set)});
  EXPECT_EQ(changed.exit_code, 0) << changed.err;
  program.CloseInput();
  program.Wait();
}

}  // namespace
}  // namespace pqleash::testing
