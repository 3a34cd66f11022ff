// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/attempt.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "shim/libpq/nested_poll.h"
#include "tests/interpose/libpq_flavour.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::libpq {
namespace {

using testing::RealLibpq;
using testing::Symbolic;
using testing::TheCopy;

// The first to ask in this process.
TEST(NestedPoll, IsFoundOutOnce) {
  if (RealLibpq()) {  // and not while it cannot be told
    setenv("PGSERVICE", "nowhere", 1);
    EXPECT_FALSE(NestedPollSeen(TheCopy()));
    unsetenv("PGSERVICE");
  }
  // Whatever the environment would lead to.
  setenv("PGHOSTADDR", "127.0.0.1,127.0.0.2", 1);
  setenv("PGPORT", "5,6,7", 1);
  EXPECT_EQ(NestedPollSeen(TheCopy()), !Symbolic());
  setenv("PGSERVICE", "nowhere", 1);
  EXPECT_EQ(NestedPollSeen(TheCopy()), !Symbolic());
  for (const char* name : {"PGHOSTADDR", "PGPORT", "PGSERVICE"}) unsetenv(name);
}

using Words = std::vector<const char*>;

Attempt Conninfo(const char* text) { return Attempt::Of(Function::kPQconnectdb, text); }
Attempt Params(const Words& keywords, const Words& values, int expand = 0) {
  return Attempt::Of(Function::kPQconnectdbParams, keywords.data(), values.data(), expand);
}
Attempt Login(const char* host, const char* port, const char* dbname, const char* login) {
  return Attempt::Of(Function::kPQsetdbLogin, host, port, nullptr, nullptr, dbname, login,
                     "secret");
}

// host port dbname user application_name connect_timeout
std::string Resolve(const Attempt& attempt) {
  Resolved resolved;
  if (!attempt.Resolve(TheCopy(), &resolved)) return "cannot";
  return std::string(resolved.host) + " " + resolved.port + " " + resolved.dbname + " " +
         resolved.user + " " + resolved.application_name + " " +
         std::to_string(resolved.connect_timeout_s);
}

TEST(Resolve, Conninfo) {
  EXPECT_EQ(Resolve(Conninfo("host=h port=7 dbname=d user=u application_name=a connect_timeout=9")),
            "h 7 d u a 9");
  EXPECT_EQ(Resolve(Conninfo("host=h port=7 dbname=d user=u fallback_application_name=f")),
            "h 7 d u f 0");
  EXPECT_EQ(Resolve(Conninfo("host=h port=7 dbname=d user=u connect_timeout=1")), "h 7 d u  2");
  EXPECT_EQ(Resolve(Conninfo("host=h port=7 dbname=d user=u connect_timeout=-1")), "h 7 d u  0");
}

TEST(Resolve, Params) {
  const Words keywords = {"host", "port", "dbname", "user", nullptr};
  EXPECT_EQ(Resolve(Params(keywords, {"h", "7", "d", "u", nullptr})), "h 7 d u  0");
  const Words expanding = {"dbname", "port", "user", nullptr};
  EXPECT_EQ(Resolve(Params(expanding, {"host=h port=6 dbname=d", "7", "u", nullptr}, 1)),
            "h 7 d u  0");
}

TEST(Resolve, Login) {
  EXPECT_EQ(Resolve(Login("h", "7", "d", "u")), "h 7 d u  0");
  EXPECT_EQ(Resolve(Login("h", "7", "host=x port=6 dbname=d user=v", "u")), "h 7 d u  0");
  EXPECT_EQ(Resolve(Login("", nullptr, "host=x port=6 dbname=d user=v", "")), "x 6 d v  0");
}

// libpq will say why.
TEST(Resolve, NotWithoutAConninfo) {
  EXPECT_EQ(Resolve(Conninfo("neither")), "cannot");
  EXPECT_EQ(Resolve(Conninfo(nullptr)), "cannot");
  EXPECT_EQ(Resolve(Params({}, {})), "cannot");
}

TEST(Resolve, UpToSixtyFourKeywords) {
  for (const size_t count : {63, 64, 65}) {
    Words keywords(count, "host");
    Words values(count, "h");
    keywords[0] = "dbname";
    values[0] = "d";
    keywords[1] = "user";
    values[1] = "u";
    keywords[2] = "port";
    values[2] = "7";
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    EXPECT_EQ(Resolve(Params(keywords, values)), count <= 64 ? "h 7 d u  0" : "cannot") << count;
  }
}

TEST(Resolve, WhatOnlyLibpqKnows) {
  if (!RealLibpq()) GTEST_SKIP();
  EXPECT_EQ(Resolve(Conninfo("postgresql://u@h:7/d?application_name=a")), "h 7 d u a 0");
  EXPECT_EQ(Resolve(Conninfo("host=h1,h2 port=7,8 dbname=d user=u")), "h1 7 d u  0");
  EXPECT_EQ(Resolve(Conninfo("hostaddr=127.0.0.1 port=7 user=u")), "127.0.0.1 7 u u  0");
  EXPECT_EQ(Resolve(Conninfo("nonsense=1")), "cannot");
  setenv("PGHOST", "eh", 1);
  setenv("PGPORT", "71", 1);
  setenv("PGDATABASE", "ed", 1);
  setenv("PGUSER", "eu", 1);
  setenv("PGAPPNAME", "ea", 1);
  setenv("PGCONNECT_TIMEOUT", "33", 1);
  EXPECT_EQ(Resolve(Conninfo("")), "eh 71 ed eu ea 33");
  EXPECT_EQ(Resolve(Conninfo(" \n")), "eh 71 ed eu ea 33");
  EXPECT_EQ(Resolve(Login(nullptr, "72", nullptr, nullptr)), "eh 72 ed eu ea 33");
  for (const char* name :
       {"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGAPPNAME", "PGCONNECT_TIMEOUT"})
    unsetenv(name);
  const testing::TemporaryDirectory directory;
  std::ofstream(directory / "services") << "[there]\nhost=sh\nport=73\ndbname=sd\nuser=su\n";
  setenv("PGSERVICEFILE", (directory / "services").c_str(), 1);
  EXPECT_EQ(Resolve(Conninfo("service=there port=74")), "sh 74 sd su  0");
  EXPECT_EQ(Resolve(Conninfo("service=nowhere")), "cannot");
  unsetenv("PGSERVICEFILE");
}

// libpq complains on stderr of a password file that others may read: once, not once more by us.
TEST(Resolve, DoesNotReadThePasswordFile) {
  if (!RealLibpq()) GTEST_SKIP();
  const testing::TemporaryDirectory directory;
  const std::string file = directory / "pass";
  std::ofstream(file) << "*:*:*:*:secret\n";
  std::filesystem::permissions(file, std::filesystem::perms::all);
  setenv("PGPASSFILE", file.c_str(), 1);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Resolve(Conninfo("host=h port=7 dbname=d user=u")), "h 7 d u  0");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  unsetenv("PGPASSFILE");
}

TEST(Resolve, LongTextsAreCut) {
  const std::string name(100, 'x');
  Resolved resolved;
  ASSERT_TRUE(Conninfo(("dbname=" + name).c_str()).Resolve(TheCopy(), &resolved));
  EXPECT_EQ(std::string(resolved.dbname), name.substr(0, 63));
}

TEST(Hash, IsOfTheTextsAndTheEnvironment) {
  const std::string copy = "host=h dbname=d";
  const uint64_t hash = Conninfo("host=h dbname=d").Hash();
  EXPECT_EQ(Conninfo(copy.c_str()).Hash(), hash);
  EXPECT_NE(Conninfo("host=h dbname=e").Hash(), hash);
  EXPECT_NE(Conninfo("host=h dbname=").Hash(), hash);
  EXPECT_NE(Attempt::Of(Function::kPQconnectStart, "host=h dbname=d").Hash(), hash);
  EXPECT_NE(Login("h", "1", "d", "u").Hash(), Login("h", "1", "u", "d").Hash());
  EXPECT_NE(Login("", "1", "d", "u").Hash(), Login(nullptr, "1", "d", "u").Hash());
  const Words keywords = {"host", "dbname", nullptr};
  EXPECT_EQ(Params(keywords, {"h", "d", nullptr}).Hash(),
            Params(keywords, {"h", "d", nullptr}).Hash());
  EXPECT_NE(Params(keywords, {"h", "d", nullptr}).Hash(),
            Params(keywords, {"h", "e", nullptr}).Hash());
  EXPECT_NE(Params(keywords, {"h", "d", nullptr}).Hash(),
            Params(keywords, {"h", "d", nullptr}, 1).Hash());
  setenv("PGHOST", "x", 1);
  EXPECT_NE(Conninfo("host=h dbname=d").Hash(), hash);
  unsetenv("PGHOST");
  setenv("OTHER", "x", 1);
  EXPECT_EQ(Conninfo("host=h dbname=d").Hash(), hash);
}

TEST(NestedPoll, AnswerIsTakenOnceAndByItsCopyAlone) {
  PostgresPollingStatusType answer;
  const Copy& copy = TheCopy();
  EXPECT_FALSE(TakeAnswer(&copy, &answer));
  OrderAnswer(&copy, PollAnswer::kWriting);
  EXPECT_FALSE(TakeAnswer(&copy + 1, &answer));
  EXPECT_TRUE(TakeAnswer(&copy, &answer));
  EXPECT_EQ(answer, PGRES_POLLING_WRITING);
  EXPECT_FALSE(TakeAnswer(&copy, &answer));
  EXPECT_TRUE(WithdrawOrder());
  EXPECT_FALSE(WithdrawOrder());
  OrderAnswer(&copy, PollAnswer::kFailed);
  EXPECT_FALSE(WithdrawOrder());
  EXPECT_FALSE(TakeAnswer(&copy, &answer));
  // A connect inside another: the outer one's order is lost, not misplaced.
  OrderAnswer(&copy, PollAnswer::kFailed);
  OrderAnswer(nullptr, PollAnswer::kNone);
  EXPECT_FALSE(TakeAnswer(&copy, &answer));
  EXPECT_FALSE(WithdrawOrder());
}

}  // namespace
}  // namespace pqleash::libpq
