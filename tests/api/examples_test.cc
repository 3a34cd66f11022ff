// SPDX-License-Identifier: Apache-2.0
//
// The examples for people's own test suites, run as their readers would.

#include <gtest/gtest.h>

#include <string>

#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Outcome RunExample(std::vector<std::string> words, bool preloaded) {
  const TemporaryDirectory directory;
  Command command = {
      .arguments = std::move(words),
      .environment = {{"PQLEASH_DIR", directory / "ledgers"}, {"PYTHONDONTWRITEBYTECODE", "1"}}};
  if (preloaded) command.environment["LD_PRELOAD"] = PQLEASH_TEST_LIBRARY;
  return RunToEnd(command);
}

TEST(Examples, GoogleTestListenerFailsTheTestThatLeaks) {
  const Outcome bare = RunExample({PQLEASH_TEST_EXAMPLE}, false);
  EXPECT_EQ(bare.exit_code, 0) << bare.out << bare.err;
  const Outcome watched = RunExample({PQLEASH_TEST_EXAMPLE}, true);
  EXPECT_EQ(watched.exit_code, 1) << watched.out << watched.err;
  EXPECT_TRUE(Has(watched.out, "[       OK ] Orders.AreListed")) << watched.out;
  EXPECT_TRUE(Has(watched.out, "[  FAILED  ] Orders.AreAudited")) << watched.out;
  EXPECT_TRUE(Has(watched.out, "ConnectForAudit")) << watched.out;
}

TEST(Examples, PytestFixtureFailsTheTestThatLeaks) {
  const std::vector<std::string> words = {"/usr/bin/python3",
                                          "-m",
                                          "pytest",
                                          "-p",
                                          "no:cacheprovider",
                                          "-v",
                                          PQLEASH_TEST_EXAMPLES "/pytest"};
  const Outcome probe = RunExample({"/usr/bin/python3", "-c", "import pytest, psycopg2"}, false);
  if (probe.exit_code != 0) GTEST_SKIP() << "pytest or psycopg2 is not installed";
  const Outcome bare = RunExample(words, false);
  EXPECT_EQ(bare.exit_code, 0) << bare.out << bare.err;
  const Outcome watched = RunExample(words, true);
  EXPECT_EQ(watched.exit_code, 1) << watched.out << watched.err;
  EXPECT_TRUE(Has(watched.out, "test_orders_are_listed PASSED")) << watched.out;
  EXPECT_TRUE(Has(watched.out, "test_orders_are_audited ERROR")) << watched.out;
  EXPECT_TRUE(Has(watched.out, "test_pool_is_filled PASSED")) << watched.out;
  EXPECT_FALSE(Has(watched.out, "ERROR at teardown of test_pool_is_filled")) << watched.out;
  EXPECT_TRUE(Has(watched.out, "connect_for_audit")) << watched.out;
  EXPECT_TRUE(Has(watched.out, "test_orders.py:12")) << watched.out;
}

}  // namespace
}  // namespace pqleash::testing
