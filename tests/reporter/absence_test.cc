// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/absence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "reporter/snapshot/executable.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;

constexpr char kPlain[] = "55d0-55d1 r-xp 00000000 08:01 1 /opt/app/bin/app\n";
constexpr char kLibrary[] = "7f00-7f01 r-xp 00000000 08:01 2 /opt/pqleash/lib/libpqleash.so\n";
constexpr char kLibpq[] = "7f02-7f03 r-xp 00000000 08:01 3 /usr/lib/libpq.so.5.15\n";
constexpr char kWheel[] =
    "7f02-7f03 r-xp 00000000 08:01 3 /x/psycopg2.libs/libpq-9b38f5e3.so.5.16\n";

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
