// SPDX-License-Identifier: Apache-2.0
//
// `pqleash attach` on programs in other languages, whose drivers load libpq in other ways. A driver
// that is not installed is skipped.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/attach/attached.h"

namespace pqleash::testing {
namespace {

using ::testing::HasSubstr;

std::string Script(const std::string& name) {
  return std::string(PQLEASH_TEST_SCRIPTS) + "/" + name;
}

class AttachClient : public Attach {
 protected:
  // A program of the told kind: what is open is adopted, what comes later has its line, and detach
  // leaves it alone.
  void Check(const Words& installed, const Words& words,
             const std::map<std::string, std::optional<std::string>>& environment = {}) const {
    if (RunToEnd({.arguments = installed}).exit_code != 0)
      GTEST_SKIP() << "not installed: " << installed.back();
    const auto told = Start(words, environment);
    ASSERT_TRUE(Tell(told.get(), "open 3"));
    const Outcome attached = AttachTo(*told);
    ASSERT_EQ(attached.exit_code, 0) << attached.err;
    EXPECT_THAT(attached.out, HasSubstr("3 connections that were open already"));
    ASSERT_TRUE(Tell(told.get(), "open 2"));
    ASSERT_TRUE(Tell(told.get(), "exec"));
    ASSERT_TRUE(Tell(told.get(), "close"));
    EXPECT_EQ(Now(), (Totals{1, 4, 5, 1, 0}));
    EXPECT_TRUE(CallSiteIn(observed_.Report(), "open_one").is_object())
        << observed_.Report().dump(1);
    ASSERT_TRUE(Tell(told.get(), "close"));
    ASSERT_TRUE(Tell(told.get(), "close"));
    EXPECT_EQ(Now(), (Totals{1, 2, 5, 3, 0}));
    const Outcome detached = Do("detach", *told);
    ASSERT_EQ(detached.exit_code, 0) << detached.err;
    ASSERT_TRUE(Tell(told.get(), "open 1"));
    EXPECT_EQ(Now().opened, 5U);
    ExpectEnd(told.get());
  }
};

TEST_F(AttachClient, Psycopg2) {
  Check({"/usr/bin/python3", "-c", "import psycopg2"},
        {"/usr/bin/python3", Script("told.py"), "psycopg2"});
}

// Its functions are pointers that ctypes has taken.
TEST_F(AttachClient, Psycopg3) {
  Check({"/usr/bin/python3", "-c", "import psycopg"},
        {"/usr/bin/python3", Script("told.py"), "psycopg"}, {{"PSYCOPG_IMPL", "python"}});
}

TEST_F(AttachClient, Psycopg3Asyncio) {
  Check({"/usr/bin/python3", "-c", "import psycopg"},
        {"/usr/bin/python3", Script("told_asyncio.py")}, {{"PSYCOPG_IMPL", "python"}});
}

// Up to 8.4 it binds its extensions deeply.
TEST_F(AttachClient, Php) {
  Check({"/usr/bin/php", "-r", "exit(extension_loaded('pgsql') ? 0 : 1);"},
        {"/usr/bin/php", Script("told.php")});
}

TEST_F(AttachClient, Ruby) {
  Check({"/usr/bin/ruby", "-e", "require 'pg'"}, {"/usr/bin/ruby", Script("told.rb")});
}

TEST_F(AttachClient, Perl) {
  Check({"/usr/bin/perl", "-MDBD::Pg", "-e", "1"}, {"/usr/bin/perl", Script("told.pl")});
}

}  // namespace
}  // namespace pqleash::testing
