// SPDX-License-Identifier: Apache-2.0
//
// What the library takes from elsewhere, and when it calls it: shim/imports.txt.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

using Moments = std::set<std::string>;

// The moments of each symbol; with "varies" among them where it depends on the compiler whether the
// library takes it.
std::map<std::string, Moments> Stored() {
  std::ifstream file(PQLEASH_TEST_IMPORTS);
  EXPECT_TRUE(file.is_open()) << PQLEASH_TEST_IMPORTS << " is missing";
  std::map<std::string, Moments> stored;
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name;
    std::string moments, varies;
    words >> name >> moments >> varies;
    EXPECT_TRUE(varies.empty() || varies == "varies") << line;
    EXPECT_LT(last, name) << "the list is not sorted, or has it twice";
    last = name;
    std::istringstream list(moments);
    for (std::string moment; std::getline(list, moment, ',');) stored[name].insert(moment);
    EXPECT_FALSE(stored[name].empty()) << name << " has no moment";
    if (!varies.empty()) stored[name].insert(varies);
  }
  return stored;
}

std::set<std::string> Undefined() {
  const Outcome outcome =
      RunToEnd({.arguments = {PQLEASH_TEST_READELF, "--wide", "--dyn-syms", PQLEASH_TEST_LIBRARY},
                .environment = {{"LC_ALL", "C"}}});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  std::set<std::string> names;
  std::istringstream stream(outcome.out);
  for (std::string line; std::getline(stream, line);) {
    // Num: Value Size Type Bind Vis Ndx Name
    std::istringstream words(line);
    std::string number, value, size, type, bind, visibility, section, name;
    if (!(words >> number >> value >> size >> type >> bind >> visibility >> section >> name))
      continue;
    if (section == "UND") names.insert(name.substr(0, name.find('@')));
  }
  return names;
}

TEST(Imports, AreTheStoredListAndNothingElse) {
  const auto stored = Stored();
  const auto undefined = Undefined();
  EXPECT_GT(undefined.size(), 50u);
  for (const std::string& name : undefined) {
    EXPECT_TRUE(stored.contains(name))
        << name << " is new: may a host have replaced it, and when is it called? "
        << "Answer in shim/imports.txt";
  }
  for (const auto& [name, moments] : stored)
    EXPECT_TRUE(undefined.contains(name) || moments.contains("varies"))
        << name << " is needed no more";
}

// Whoever replaces one of these asks dlsym for the real one, so that a call of it out of a look-up
// leads back to the look-up.
TEST(Imports, HaveNoFunctionOfTheDynamicLinker) {
  for (const std::string& name : Undefined()) {
    EXPECT_FALSE(name.starts_with("dl")) << name << " is to be called by its address";
  }
}

#ifdef PQLEASH_TEST_START_UP_HOST

struct Setting {
  const char* name;
  const char* variable;
  const char* value;
};

// The functions that the library was seen to call, each with its moments. The host ends with 97 at
// the first one before main.
void Observe(const Setting& setting, std::map<std::string, Moments>* called) {
  const TemporaryDirectory directory;
  const Outcome outcome = RunToEnd({.arguments = {PQLEASH_TEST_START_UP_HOST, "observed"},
                                    .environment = {{"LD_PRELOAD", PQLEASH_TEST_LIBRARY},
                                                    {"PQLEASH_DIR", directory / "ledgers"},
                                                    {setting.variable, setting.value}}});
  EXPECT_EQ(outcome.exit_code, 0) << setting.name << ": " << HowItEnded(outcome) << '\n'
                                  << outcome.err;
  std::istringstream stream(outcome.err);
  for (std::string name, moment; stream >> name >> moment;) (*called)[name].insert(moment);
}

TEST(StartUp, TheHostIsSoundByItself) {
  const Outcome outcome = RunToEnd({.arguments = {PQLEASH_TEST_START_UP_HOST}});
  EXPECT_EQ(outcome.exit_code, 0) << HowItEnded(outcome);
  EXPECT_EQ(outcome.err, "");
}

TEST(StartUp, NothingThatAHostMayReplaceIsCalledBeforeMainOrAtAnUnexpectedMoment) {
  const auto stored = Stored();
  for (const Setting& setting :
       {Setting{"as it is", "PQLEASH_LOG", "off"},
        {"with a limit", "PQLEASH_LIMIT", "100"},
        {"with a log", "PQLEASH_LOG", "syslog"},
        {"with nothing but the linker's binding", "PQLEASH_INTERCEPT", "linker"}}) {
    std::map<std::string, Moments> called;
    Observe(setting, &called);
    EXPECT_TRUE(called.contains("mmap")) << setting.name << ": nothing was observed";
    for (const auto& [name, moments] : called) {
      const auto allowed = stored.find(name);
      ASSERT_NE(allowed, stored.end()) << name;
      for (const std::string& moment : moments) {
        EXPECT_TRUE(allowed->second.contains(moment))
            << name << " is called at: " << moment << ", " << setting.name;
      }
    }
  }
}

TEST(StartUp, SwitchedOffNothingIsCalledAtAll) {
  std::map<std::string, Moments> called;
  Observe({"disabled", "PQLEASH_DISABLE", "1"}, &called);
  called.erase("__errno_location");  // where errno is, to leave it as it is
  // The last thing that the stand-in's PQfinish does, by a tail call that looks like one of ours.
  called.erase("free");
  EXPECT_EQ(called["__cxa_finalize"], Moments{"exit"});  // every shared object's last call
  called.erase("__cxa_finalize");
  for (const auto& [name, moments] : called) ADD_FAILURE() << name << " at " << *moments.begin();
}

#endif

}  // namespace
}  // namespace pqleash::testing
