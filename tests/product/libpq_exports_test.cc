// SPDX-License-Identifier: Apache-2.0
//
// What each version of libpq exports is either wrapped or left alone for a reason that is written
// down: a function that a new version adds is not passed by in silence.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace pqleash::testing {
namespace {

using Names = std::set<std::string>;

// The lines of a list, without its comments.
Names Listed(const std::string& file) {
  const std::string path = std::string(PQLEASH_TEST_LISTS) + "/" + file;
  std::ifstream lines(path);
  EXPECT_TRUE(lines.is_open()) << path << " is missing";
  Names names;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] != '#') names.insert(line);
  }
  return names;
}

Names Wrapped() {
  std::ifstream file(PQLEASH_TEST_FUNCTIONS);
  EXPECT_TRUE(file.is_open()) << PQLEASH_TEST_FUNCTIONS << " is missing";
  std::ostringstream text;
  text << file.rdbuf();
  const std::string list = text.str();
  const std::regex function("\nPQLEASH_FUNCTION\\(\\w+, (\\w+), ");
  Names names;
  for (std::sregex_iterator match(list.begin(), list.end(), function), end; match != end; ++match) {
    names.insert((*match)[1]);
  }
  return names;
}

class LibpqVersion : public ::testing::TestWithParam<int> {};

TEST_P(LibpqVersion, EachIsWrappedOrLeftAloneForAReason) {
  const Names exports = Listed("libpq-" + std::to_string(GetParam()) + ".txt");
  const Names wrapped = Wrapped();
  const Names left_alone = Listed("libpq-left-alone.txt");
  EXPECT_GT(exports.size(), 150u);
  for (const std::string& name : exports) {
    EXPECT_NE(wrapped.contains(name), left_alone.contains(name))
        << name << (wrapped.contains(name) ? " is wrapped and left alone" : " is in neither list");
  }
}

// libpq takes nothing away within its version of the interface, 5.
TEST_P(LibpqVersion, NoneIsGoneInTheNextVersion) {
  if (GetParam() == 18) return;
  const Names now = Listed("libpq-" + std::to_string(GetParam()) + ".txt");
  const Names next = Listed("libpq-" + std::to_string(GetParam() + 1) + ".txt");
  EXPECT_TRUE(std::includes(next.begin(), next.end(), now.begin(), now.end()));
}

INSTANTIATE_TEST_SUITE_P(Libpq, LibpqVersion, ::testing::Range(12, 19));

TEST(LibpqExports, OnlyWhatLibpqHasIsListed) {
  const Names newest = Listed("libpq-18.txt");
  for (const Names& names : {Wrapped(), Listed("libpq-left-alone.txt")}) {
    Names foreign;
    std::set_difference(names.begin(), names.end(), newest.begin(), newest.end(),
                        std::inserter(foreign, foreign.end()));
    for (const std::string& name : foreign) ADD_FAILURE() << name << " is no function of libpq 18";
  }
}

}  // namespace
}  // namespace pqleash::testing
