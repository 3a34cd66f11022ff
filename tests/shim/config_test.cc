// SPDX-License-Identifier: Apache-2.0

#include "shim/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace pqleash::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ConfigTest : public ::testing::Test {
 protected:
  Loaded Run() {
    Surroundings surroundings;
    surroundings.environment = [this](const char* name) -> const char* {
      const auto found = environment_.find(name);
      return found != environment_.end() ? found->second.c_str() : nullptr;
    };
    surroundings.read_file = [this](const std::string& path,
                                    std::string* error) -> std::optional<std::string> {
      const auto found = files_.find(path);
      if (found != files_.end()) return found->second;
      *error = "No such file or directory";
      return std::nullopt;
    };
    surroundings.uid = 1000;
    surroundings.executable = "billing";
    return Load(surroundings);
  }

  Loaded RunFile(const std::string& text) {
    environment_["PQLEASH_CONFIG"] = "/etc/pqleash.toml";
    files_["/etc/pqleash.toml"] = text;
    return Run();
  }

  std::string SourceOf(const Loaded& loaded, const std::string& name) {
    for (const Effective& effective : loaded.effective) {
      if (effective.name == name) return effective.source;
    }
    return "not there";
  }

  std::map<std::string, std::string> environment_;
  std::map<std::string, std::string> files_;
};

TEST_F(ConfigTest, DefaultsObserveOnly) {
  const Loaded loaded = Run();
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.dir, "/dev/shm/pqleash-1000");
  EXPECT_EQ(loaded.config.service, "billing");
  EXPECT_EQ(loaded.config.limit, 0u);
  EXPECT_EQ(loaded.config.stack_depth, 32u);
  EXPECT_EQ(loaded.config.log, "off");
  EXPECT_EQ(SourceOf(loaded, "service"), "default");
}

TEST_F(ConfigTest, VariablesWinOverTheFile) {
  environment_["PQLEASH_STACK_DEPTH"] = "64";
  const Loaded loaded =
      RunFile("service = \"invoices\"\nstack_depth = 16\n[ledger]\nconnections = 100\n");
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.service, "invoices");
  EXPECT_EQ(loaded.config.stack_depth, 64u);
  EXPECT_EQ(loaded.config.connections, 100u);
  EXPECT_EQ(SourceOf(loaded, "service"), "/etc/pqleash.toml:1");
  EXPECT_EQ(SourceOf(loaded, "stack_depth"), "PQLEASH_STACK_DEPTH");
  EXPECT_EQ(SourceOf(loaded, "ledger.connections"), "/etc/pqleash.toml:4");
}

TEST_F(ConfigTest, AnEmptyVariableIsNotSet) {
  environment_["PQLEASH_STACK_DEPTH"] = "";
  EXPECT_THAT(Run().problems, IsEmpty());
}

TEST_F(ConfigTest, BadVariablesAreNamedAndLeaveTheDefault) {
  struct Case {
    const char* variable;
    const char* value;
    const char* expected;
  };
  for (const Case& c : {Case{"PQLEASH_DIR", "relative/path", "an absolute path"},
                        Case{"PQLEASH_LIMIT", "0", "from 1 to 1000000"},
                        Case{"PQLEASH_LIMIT", "-3", "from 1 to 1000000"},
                        Case{"PQLEASH_ON_LIMIT", "block", "warn, wait or reject"},
                        Case{"PQLEASH_WAIT_TIMEOUT", "5", "a time with its unit"},
                        Case{"PQLEASH_STACK_DEPTH", "257", "from 1 to 256"},
                        Case{"PQLEASH_LOG", "stdout", "off, stderr, syslog"},
                        Case{"PQLEASH_LOG_LEVEL", "loud", "debug, info"},
                        Case{"PQLEASH_REPORT_AT_EXIT", "x", "stderr or the absolute path"}}) {
    environment_ = {{c.variable, c.value}};
    const Loaded loaded = Run();
    ASSERT_EQ(loaded.problems.size(), 1u) << c.variable;
    EXPECT_THAT(loaded.problems[0], HasSubstr(c.variable));
    EXPECT_THAT(loaded.problems[0], HasSubstr(std::string("'") + c.value + "'"));
    EXPECT_THAT(loaded.problems[0], HasSubstr(c.expected));
    EXPECT_EQ(loaded.config.limit, 0u);
    EXPECT_EQ(loaded.config.stack_depth, 32u);
  }
}

TEST_F(ConfigTest, BadFilesAreNamedWithTheirLine) {
  struct Case {
    const char* text;
    const char* problem;
  };
  for (const Case& c : {Case{"limit = \n", "/etc/pqleash.toml:1: "},
                        Case{"\nlimt = 5\n", "/etc/pqleash.toml:2: unknown key 'limt'"},
                        Case{"limt = 5\n", "did you mean 'limit'?"},
                        Case{"stack_depth = 1.5\n", "neither a text nor a whole number"},
                        Case{"[ledger]\nconections = 5\n", "did you mean 'ledger.connections'?"},
                        Case{"[nonsense]\na = 1\n", "unknown key 'nonsense'"},
                        Case{"log = \"stdout\"\n", "'stdout' is no value for log"},
                        Case{"stack_depth = 0\n", "a number of frames from 1 to 256"}}) {
    const Loaded loaded = RunFile(c.text);
    ASSERT_EQ(loaded.problems.size(), 1u) << c.text;
    EXPECT_THAT(loaded.problems[0], HasSubstr(c.problem)) << c.text;
  }
}

TEST_F(ConfigTest, AMissingFileIsNamed) {
  environment_["PQLEASH_CONFIG"] = "/nowhere.toml";
  const Loaded loaded = Run();
  EXPECT_THAT(loaded.problems,
              ElementsAre(HasSubstr("cannot read '/nowhere.toml': No such file or directory")));
}

TEST_F(ConfigTest, HostileFilesDoNoHarm) {
  for (const std::string& text :
       {std::string(100'000, '['), std::string("\xff\xfe\x00", 3), std::string("a = \"\\u0000\""),
        std::string("a.b.c.d = 1"), std::string("limit = 99999999999999999999")}) {
    EXPECT_FALSE(RunFile(text).problems.empty());
  }
}

}  // namespace
}  // namespace pqleash::config
