// SPDX-License-Identifier: Apache-2.0
//
// Whatever this file exports, needs or asks for, every process that it is preloaded into exports,
// needs and asks for.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"

namespace pqleash::testing {
namespace {

using Lines = std::vector<std::string>;

std::string Readelf(const std::string& option) {
  const Outcome outcome =
      RunToEnd({.arguments = {PQLEASH_TEST_READELF, "--wide", option, PQLEASH_TEST_LIBRARY},
                .environment = {{"LC_ALL", "C"}}});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return outcome.out;
}

Lines SplitLines(const std::string& text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// First capture of each match.
Lines Matches(const std::string& text, const std::string& pattern) {
  Lines matches;
  const std::regex regex(pattern);
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    matches.push_back((*match)[1]);
  }
  return matches;
}

// Names that others can link to, with '@VERSION' where there is one.
std::set<std::string> ExportedSymbols() {
  std::set<std::string> names;
  for (const std::string& line : SplitLines(Readelf("--dyn-syms"))) {
    // Num: Value Size Type Bind Vis Ndx Name
    std::istringstream words(line);
    std::string number, value, size, type, bind, visibility, section, name;
    if (!(words >> number >> value >> size >> type >> bind >> visibility >> section >> name))
      continue;
    if (bind != "GLOBAL" && bind != "WEAK" && bind != "UNIQUE") continue;
    if (section != "UND") names.insert(name);
  }
  return names;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path << " is missing";
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Product, ExportsTheStoredListAndNothingElse) {
  const Lines stored = SplitLines(ReadFile(PQLEASH_TEST_EXPORTS));
  EXPECT_TRUE(std::is_sorted(stored.begin(), stored.end()))
      << PQLEASH_TEST_EXPORTS << " is not sorted";
  const std::set<std::string> exported = ExportedSymbols();
  for (const std::string& name : stored)
    EXPECT_TRUE(exported.contains(name)) << name << " is not exported";
  for (const std::string& name : exported) {
    EXPECT_TRUE(std::binary_search(stored.begin(), stored.end(), name)) << name << " is exported";
  }
}

TEST(Product, WrapsEveryFunctionOfTheList) {
  const std::set<std::string> exported = ExportedSymbols();
  const Lines functions =
      Matches(ReadFile(PQLEASH_TEST_FUNCTIONS), "\nPQLEASH_FUNCTION\\(\\w+, (\\w+), ");
  EXPECT_GT(functions.size(), 50u);
  for (const std::string& name : functions)
    EXPECT_TRUE(exported.contains(name)) << name << " is not exported";
}

// They would replace the host's own: an exception thrown in the host would go through our copy of
// the unwinder.
TEST(Product, ExportsNothingOfTheLibrariesInside) {
  for (const std::string& name : ExportedSymbols()) {
    EXPECT_FALSE(
        std::regex_search(name, std::regex("^_Z|^__cxa|^_Unwind|^__gxx|spdlog|fmt|toml|^std")))
        << name;
    EXPECT_EQ(name.find('@'), std::string::npos)
        << name << ": a version of ours matches no versioned reference";
  }
}

TEST(Product, NeedsLibcAlone) {
  const Lines needed = Matches(Readelf("--dynamic"), "\\(NEEDED\\)[^\\[]*\\[([^\\]]*)\\]");
  EXPECT_NE(std::find(needed.begin(), needed.end(), "libc.so.6"), needed.end());
  for (const std::string& name : needed) {
    EXPECT_TRUE(name == "libc.so.6" || name.starts_with("ld-linux")) << name << " is needed";
  }
}

// Where it is built does not decide where it can be loaded: a version of glibc that the library
// asks for, and that an image lacks, ends every program that it is preloaded into. 2.35 is that of
// _dl_find_object, which the unwinder of gcc 12 and later, linked statically, looks modules up
// with; from 2.34 on is what was libpthread's before. Newer headers turn strtol and sscanf into
// functions of 2.38: std::from_chars instead.
TEST(Product, AsksForNoNewerGlibcThan235) {
  const Lines versions = Matches(Readelf("--version-info"), "Name: GLIBC_2\\.([0-9]+)");
  EXPECT_FALSE(versions.empty());
  for (const std::string& minor : versions) {
    EXPECT_LE(std::stoi(minor), 35)
        << "GLIBC_2." << minor << " is asked for: `nm -D` names by whom";
  }
}

TEST(Product, HasNoSearchPath) {
  const std::string dynamic = Readelf("--dynamic");
  EXPECT_EQ(dynamic.find("(RPATH)"), std::string::npos);
  EXPECT_EQ(dynamic.find("(RUNPATH)"), std::string::npos);
}

TEST(Product, CannotBeUnloadedAndBindsAtOnce) {
  const std::string dynamic = Readelf("--dynamic");
  EXPECT_NE(dynamic.find("NODELETE"), std::string::npos);
  EXPECT_NE(dynamic.find("NOW"), std::string::npos);
}

TEST(Product, HasNoTextRelocations) {
  EXPECT_EQ(Readelf("--dynamic").find("TEXTREL"), std::string::npos);
}

TEST(Product, HasProtectedSegments) {
  const std::string segments = Readelf("--segments");
  EXPECT_NE(segments.find("GNU_RELRO"), std::string::npos);
  const Lines stack = Matches(segments, "GNU_STACK +0x\\w+ 0x\\w+ 0x\\w+ 0x\\w+ 0x\\w+ (\\S+)");
  ASSERT_EQ(stack.size(), 1u) << segments;
  EXPECT_EQ(stack[0], "RW") << "an executable stack";
  for (const std::string& flags :
       Matches(segments, "LOAD +0x\\w+ 0x\\w+ 0x\\w+ 0x\\w+ 0x\\w+ (R?W?E?)")) {
    EXPECT_NE(flags, "RWE");
  }
}

// A host may not have room for it: glibc keeps little static TLS for objects that come by dlopen.
TEST(Product, TakesLittleThreadLocalStorage) {
  for (const std::string& size :
       Matches(Readelf("--segments"), "TLS +0x\\w+ 0x\\w+ 0x\\w+ 0x\\w+ (0x\\w+)")) {
    EXPECT_LE(std::stoul(size, nullptr, 16), 512u);
  }
}

}  // namespace
}  // namespace pqleash::testing
