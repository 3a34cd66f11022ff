// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/absence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "reporter/snapshot/executable.h"
#include "reporter/snapshot/other_client.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPlain[] = "55d0-55d1 r-xp 00000000 08:01 1 /opt/app/bin/app\n";
constexpr char kLibrary[] = "7f00-7f01 r-xp 00000000 08:01 2 /opt/pqleash/lib/libpqleash.so\n";
constexpr char kLibpq[] = "7f02-7f03 r-xp 00000000 08:01 3 /usr/lib/libpq.so.5.15\n";
constexpr char kWheel[] =
    "7f02-7f03 r-xp 00000000 08:01 3 /x/psycopg2.libs/libpq-9b38f5e3.so.5.16\n";

constexpr char kAsyncpg[] =
    "7f04-7f05 r-xp 00000000 08:01 4 /x/site-packages/asyncpg/protocol/protocol.cpython-311.so\n";
constexpr char kJava[] = "7f04-7f05 r-xp 00000000 08:01 4 /usr/lib/jvm/lib/server/libjvm.so\n";
constexpr char kNode[] = "5604-5605 r-xp 00000000 08:01 4 /usr/bin/node\n";
// Ports 5432, 5432 (listening), 80, 5432, 5433.
constexpr char kTcp[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 0100007F:A000 0100007F:1538 01 00000000:00000000 00:00000000 00000000  0  0 71 1 0 0\n"
    "   1: 0100007F:A001 00000000:1538 0A 00000000:00000000 00:00000000 00000000  0  0 72 1 0 0\n"
    "   2: 0100007F:A002 0100007F:0050 01 00000000:00000000 00:00000000 00000000  0  0 73 1 0 0\n"
    "   3: 0100007F:A003 0100007F:1538 01 00000000:00000000 00:00000000 00000000  0  0 74 1 0 0\n"
    "   4: 0100007F:A004 0100007F:1539 01 00000000:00000000 00:00000000 00000000  0  0 75 1 0 0\n"
    "cut off\n";

TEST(SocketsToTest, EstablishedOnesToThePorts) {
  uint16_t port = 0;
  EXPECT_THAT(SocketsTo(kTcp, {5432}, &port), ElementsAre(71, 74));
  EXPECT_EQ(port, 5432);
  EXPECT_THAT(SocketsTo(kTcp, {5433, 9}, &port), ElementsAre(75));
  EXPECT_EQ(port, 5433);
  EXPECT_THAT(SocketsTo("", {5432}, &port), IsEmpty());
}

TEST(WhyNoLedgerTest, SocketsTellWhoDoesWithoutLibpq) {
  struct Case {
    std::string maps;
    std::string environ;
    const char* reason;
  };
  const Case cases[] = {
      {kPlain, "", "it has 1 connection to port 5432, PostgreSQL's as a rule"},
      {std::string(kPlain) + kJava, "", "it speaks to the server by JDBC"},
      {kPlain, std::string("PGPORT=5433") + '\0', "it has 2 connections to port 543"},
      {std::string(kPlain) + kLibpq, "", "was not preloaded into it"},
  };
  for (const Case& test : cases) {
    const ScratchDirectory proc;
    std::filesystem::create_directories(proc.Path("7/net"));
    std::filesystem::create_directories(proc.Path("7/fd"));
    WriteFile(proc.Path("7/maps"), test.maps);
    WriteFile(proc.Path("7/environ"), test.environ);
    WriteFile(proc.Path("7/net/tcp"), kTcp);
    // Another process of the same network holds the other.
    std::filesystem::create_symlink("socket:[71]", proc.Path("7/fd/3"));
    std::filesystem::create_symlink("socket:[73]", proc.Path("7/fd/4"));
    std::filesystem::create_symlink("socket:[75]", proc.Path("7/fd/5"));
    std::filesystem::create_symlink("/dev/null", proc.Path("7/fd/6"));
    EXPECT_THAT(WhyNoLedger(7, proc.path()), HasSubstr(test.reason));
  }
}

// `pqleash run` itself records nothing: its program does.
TEST(WhyNoLedgerTest, TheToolNamesItsProgram) {
  const ScratchDirectory proc;
  for (const char* pid : {"7", "8", "9"}) std::filesystem::create_directory(proc.Path(pid));
  WriteFile(proc.Path("7/maps"), kPlain);
  WriteFile(proc.Path("7/cmdline"), std::string("pqleash\0run\0--\0./service\0", 27));
  std::filesystem::create_symlink("/usr/bin/pqleash", proc.Path("7/exe"));
  WriteFile(proc.Path("8/stat"), "8 (my) service) S 7 8 8 0");
  WriteFile(proc.Path("8/comm"), "my) service\n");
  WriteFile(proc.Path("9/stat"), "9 (other) S 77 8 8 0");
  EXPECT_THAT(WhyNoLedger(7, proc.path()), HasSubstr("look at process 8 (my) service)"));
  WriteFile(proc.Path("7/cmdline"), std::string("pqleash\0top\0", 12));
  EXPECT_THAT(WhyNoLedger(7, proc.path()), HasSubstr("was not preloaded"));
}

TEST(WhyNoLedgerTest, Table) {
  struct Case {
    const char* what;
    std::string maps;
    std::string environ;
    const char* reason;
  };
  const auto vars = [](std::string text) {
    for (char& byte : text) byte = byte == ';' ? '\0' : byte;
    return text;
  };
  const std::string preload = "A=1;LD_PRELOAD=/opt/pqleash/lib/libpqleash.so;B=2;";
  const Case cases[] = {
      {"not preloaded", kPlain, vars("A=1;"), "was not preloaded into it"},
      {"another preload", kPlain, vars("LD_PRELOAD=x.so;"), "was not preloaded into it"},
      {"preloaded in vain", kPlain, vars(preload), "LD_PRELOAD names libpqleash.so, but"},
      {"disabled", std::string(kPlain) + kLibrary, vars("PQLEASH_DISABLE=1;"), "PQLEASH_DISABLE=1"},
      {"no libpq", std::string(kPlain) + kLibrary, vars(preload), "has not loaded libpq yet"},
      {"asyncpg", std::string(kPlain) + kLibrary + kAsyncpg, vars(preload),
       "it has loaded asyncpg and not libpq"},
      {"asyncpg, not preloaded", std::string(kPlain) + kAsyncpg, "", "has loaded asyncpg"},
      {"asyncpg beside psycopg", std::string(kPlain) + kLibrary + kAsyncpg + kLibpq, vars(preload),
       "has loaded libpq and has not connected yet"},
      {"Java", std::string(kPlain) + kLibrary + kJava, vars(preload),
       "is a program of Java: where it speaks to PostgreSQL by JDBC, libpq is not used"},
      {"Node", std::string(kPlain) + kLibrary + kNode, vars(preload), "by node-postgres"},
      {"no connect", std::string(kPlain) + kLibrary + kLibpq, vars(preload),
       "has loaded libpq and has not connected yet"},
      {"libpq of a wheel", std::string(kPlain) + kLibrary + kWheel, vars(preload),
       "has loaded libpq and has not connected yet"},
      {"other directory", std::string(kPlain) + kLibrary + kLibpq, vars("PQLEASH_DIR=/srv/l;"),
       "its ledger is in /srv/l"},
      {"nothing mapped", "", "", "has no memory"},
  };
  for (const Case& test : cases) {
    const ScratchDirectory proc;
    std::filesystem::create_directory(proc.Path("7"));
    WriteFile(proc.Path("7/maps"), test.maps);
    WriteFile(proc.Path("7/environ"), test.environ);
    EXPECT_THAT(WhyNoLedger(7, proc.path()), HasSubstr(test.reason)) << test.what;
    EXPECT_THAT(WhyNoLedger(7, proc.path()), HasSubstr("process 7 has no ledger: ")) << test.what;
  }
}

TEST(WhyNoLedgerTest, NoSuchProcess) {
  const ScratchDirectory proc;
  EXPECT_EQ(WhyNoLedger(7, proc.path()), "process 7 has no ledger: there is no such process");
}

TEST(WhyNoLedgerTest, WhatMayNotBeReadIsSaid) {
  const ScratchDirectory proc;
  std::filesystem::create_directory(proc.Path("7"));
  EXPECT_THAT(WhyNoLedger(7, proc.path()), HasSubstr("may not look at it"));
}

TEST(ExecutableTest, ReadsThisTest) {
  const auto executable = ReadExecutable("/proc/self/exe");
  ASSERT_TRUE(executable);
  EXPECT_THAT(executable->interpreter, HasSubstr("ld-linux"));
  EXPECT_FALSE(executable->contains_libpq);
  EXPECT_FALSE(executable->privileged);
}

TEST(ExecutableTest, NothingFromOtherFiles) {
  const ScratchDirectory directory;
  WriteFile(directory.Path("x"), "text");
  EXPECT_FALSE(ReadExecutable(directory.Path("x")));
  EXPECT_FALSE(ReadExecutable(directory.Path("none")));
}

}  // namespace
}  // namespace pqleash::reporter
