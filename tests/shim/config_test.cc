// SPDX-License-Identifier: Apache-2.0

#include "shim/config/config.h"

#include <alloca.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <cstdint>
#include <map>
#include <string>

#include "shim/support/stack_room.h"

namespace pqleash::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

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

// Of the environment alone, and not among the settings that everybody is shown.
TEST_F(ConfigTest, HoldAtExit) {
  EXPECT_EQ(Run().config.hold_at_exit_ms, 0u);
  EXPECT_EQ(SourceOf(Run(), "hold_at_exit"), "not there");
  struct Case {
    const char* text;
    uint32_t milliseconds;
    size_t problems;
  };
  const Case cases[] = {{"5s", 5'000, 0}, {"10s", 10'000, 0}, {"10001ms", 0, 1},
                        {"0s", 0, 0},     {"5", 0, 1},        {"", 0, 0}};
  for (const Case& test : cases) {
    environment_["PQLEASH_HOLD_AT_EXIT"] = test.text;
    const Loaded loaded = Run();
    EXPECT_EQ(loaded.config.hold_at_exit_ms, test.milliseconds) << test.text;
    ASSERT_EQ(loaded.problems.size(), test.problems) << test.text;
    if (test.problems != 0) {
      EXPECT_THAT(loaded.problems[0],
                  AllOf(StartsWith("PQLEASH_HOLD_AT_EXIT:"), HasSubstr("at most 10s")));
    }
  }
}

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

TEST_F(ConfigTest, StacksOfUsesAreSoManyASecondOrOff) {
  EXPECT_EQ(Run().config.use_stacks, 200u);
  for (const char* wrong : {"0", "10001", "-1", "on", "5s"}) {
    environment_["PQLEASH_USE_STACKS"] = wrong;
    const Loaded loaded = Run();
    EXPECT_EQ(loaded.problems.size(), 1u) << wrong;
    EXPECT_EQ(loaded.config.use_stacks, 200u) << wrong;
  }
  environment_["PQLEASH_USE_STACKS"] = "off";
  EXPECT_EQ(Run().config.use_stacks, 0u);
  environment_.erase("PQLEASH_USE_STACKS");
  EXPECT_EQ(RunFile("use_stacks = 1000\n").config.use_stacks, 1'000u);
  EXPECT_EQ(RunFile("use_stacks = \"off\"\n").config.use_stacks, 0u);
}

TEST_F(ConfigTest, TagsAreAskedForByABooleanOrAVariable) {
  EXPECT_FALSE(Run().config.tag_application_name);
  EXPECT_TRUE(RunFile("tag_application_name = true\n").config.tag_application_name);
  EXPECT_FALSE(RunFile("tag_application_name = false\n").config.tag_application_name);
  EXPECT_THAT(RunFile("tag_application_name = 1\n").problems,
              ElementsAre(HasSubstr("'1' is no value for tag_application_name: expected true or")));
  EXPECT_THAT(RunFile("service = true\n").problems,
              ElementsAre(HasSubstr("service is neither a text nor a whole number")));
  environment_["PQLEASH_TAG_APPLICATION_NAME"] = "true";
  EXPECT_TRUE(Run().config.tag_application_name);
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
                        Case{"PQLEASH_WAIT_TIMEOUT", "0s", "from 1ms to 24h"},
                        Case{"PQLEASH_STACK_DEPTH", "257", "from 1 to 256"},
                        Case{"PQLEASH_KEEP_DEAD", "100001", "from 0 to 100000"},
                        Case{"PQLEASH_LOG", "stdout", "off, stderr, syslog"},
                        Case{"PQLEASH_LOG_LEVEL", "loud", "debug, info"},
                        Case{"PQLEASH_LOG_FORMAT", "xml", "text or json"},
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
  for (const Case& c :
       {Case{"limit = \n", "/etc/pqleash.toml:1: "},
        Case{"\nlimt = 5\n", "/etc/pqleash.toml:2: unknown key 'limt'"},
        Case{"limt = 5\n", "did you mean 'limit'?"},
        Case{"stack_depth = 1.5\n", "neither a text nor a whole number"},
        Case{"[ledger]\nconections = 5\n", "did you mean 'ledger.connections'?"},
        Case{"[nonsense]\na = 1\n", "unknown key 'nonsense'"},
        Case{"[[ledger]]\nconnections = 5\n", "ledger is no single table: write [ledger]"},
        Case{"on_limit = \"wait\"\n", "toml:1: on_limit has no effect without a limit"},
        Case{"\nwait_timeout = \"1s\"\n", "toml:2: wait_timeout has no effect without"},
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
       {std::string(100'000, '['), std::string("[[[cap]]]\n"), std::string("[[cap]]]\n"),
        std::string("[=\n"), std::string("x = {a.[ = 1}"), std::string("\xff\xfe\x00", 3),
        std::string("a = \"\\u0000\""), std::string("a.b.c.d = 1"), std::string("\xef\xbb\xbd"),
        std::string("limit = 99999999999999999999"), std::string("cap = [[1]]"),
        std::string("[[cap]]\nname = {a = 1}\nlimit = [1]\n[cap.limit2]\n[[cap.x]]"),
        std::string("[[pace]]\nname = \"a\\u0000b\"\nrate = 1979-05-27")}) {
    EXPECT_FALSE(RunFile(text).problems.empty());
  }
}

// The parser calls itself, and the tables that it makes are destroyed one within the other: what
// is written must not decide how much of a host's stack is used.
class DeepFile : public ConfigTest {
 protected:
  // What sanitizers add to each frame is no host's.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
  static constexpr size_t kRoom = 8 * kStackForConfiguration;
#else
  static constexpr size_t kRoom = kStackForConfiguration;
#endif

  // The configuration in a thread with `room` bytes of stack left. A thread that needs more ends
  // the test's process.
  Loaded RunWithin(size_t room, const std::string& text) {
    struct Job {
      DeepFile* test;
      const std::string* text;
      size_t room;
      Loaded loaded;
    } job = {this, &text, room, {}};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, size_t{256} * 1024);
    pthread_t thread;
    const int error = pthread_create(
        &thread, &attributes,
        [](void* argument) -> void* {
          auto* of = static_cast<Job*>(argument);
          pthread_attr_t own;
          pthread_getattr_np(pthread_self(), &own);
          void* lowest = nullptr;
          size_t size = 0;
          pthread_attr_getstack(&own, &lowest, &size);
          pthread_attr_destroy(&own);
          const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
          const size_t left = here - reinterpret_cast<uintptr_t>(lowest);
          auto* used = static_cast<volatile char*>(alloca(left - of->room));
          used[0] = 0;
          of->loaded = of->test->RunFile(*of->text);
          return nullptr;
        },
        &job);
    pthread_attr_destroy(&attributes);
    EXPECT_EQ(error, 0);
    if (error == 0) pthread_join(thread, nullptr);
    return job.loaded;
  }
};

std::string Repeat(const std::string& text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST_F(DeepFile, BeyondTheBoundIsToldInOneSentence) {
  struct Case {
    std::string text;
    const char* problem;
  };
  for (const Case& c : {
           Case{"a" + Repeat(".a", 100'000) + " = 1\n",
                "/etc/pqleash.toml:1: a key has more than 4 parts with dots between them"},
           Case{"\n[a" + Repeat(".a", 100'000) + "]\n",
                "/etc/pqleash.toml:2: a key has more than 4 parts with dots between them"},
           Case{"a = " + std::string(200, '[') + std::string(200, ']') + "\n",
                "/etc/pqleash.toml:1: brackets stand within each other more than 4 deep"},
           Case{"a = 1\nb = " + Repeat("{a=", 200) + "1" + std::string(200, '}') + "\n",
                "/etc/pqleash.toml:2: brackets stand within each other more than 4 deep"},
           Case{std::string(300'000, '\n'), "/etc/pqleash.toml: the file has more than 256 KiB"},
       }) {
    const Loaded loaded = RunWithin(kRoom, c.text);
    EXPECT_THAT(loaded.problems, ElementsAre(HasSubstr(c.problem))) << c.text.substr(0, 80);
  }
}

TEST_F(DeepFile, WithinTheBoundASmallStackIsEnough) {
  const std::string parts = "a.a.a.a";
  const std::string deepest =
      "[" + parts + "]\n" + Repeat(parts + "={", 4) + parts + "=1" + std::string(4, '}') + "\n";
  EXPECT_THAT(RunWithin(kRoom, deepest).problems, Not(IsEmpty()));
  const std::string arrays = "a = " + std::string(4, '[') + std::string(4, ']') + "\n";
  EXPECT_THAT(RunWithin(kRoom, arrays).problems, Not(IsEmpty()));
}

// Caps and paces.

constexpr const char* kExample = R"(
[[cap]]
name = "billing-db"
dbname = "billing*"
call_site = "3f2a9c01b2d4e5f6"
scope = "service"
limit = 20
on_limit = "wait"
wait_timeout = "10s"
max_waiting = 100
async_fallback = "admit"

[[pace]]
name = "no storms"
host = "db*"
port = 5432
user = "svc"
application_name = "billing ?"
rate = "50/s"
burst = 20
on_server_full = "backoff"

[[cap]]
name = "all"
limit = 50
)";

TEST_F(ConfigTest, PoliciesAreInTheOrderOfTheFile) {
  const Loaded loaded = RunFile(kExample);
  ASSERT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.file, "/etc/pqleash.toml");
  ASSERT_EQ(loaded.config.policies.size(), 3u);

  const caps::Policy& billing = loaded.config.policies[0];
  EXPECT_STREQ(billing.name, "billing-db");
  EXPECT_EQ(billing.kind, caps::kCap);
  EXPECT_EQ(billing.scope, caps::kScopeService);
  EXPECT_EQ(billing.async_fallback, caps::kFallbackAdmit);
  EXPECT_EQ(billing.call_site, 0x3f2a9c01b2d4e5f6u);
  EXPECT_EQ(billing.rule.limit, 20u);
  EXPECT_EQ(billing.rule.on_limit, caps::kWait);
  EXPECT_EQ(billing.rule.wait_timeout_ms, 10'000u);
  EXPECT_EQ(billing.rule.max_waiting, 100u);
  EXPECT_STREQ(billing.dbname, "billing*");
  EXPECT_STREQ(billing.host, "");

  const caps::Policy& storms = loaded.config.policies[1];
  EXPECT_STREQ(storms.name, "no storms");
  EXPECT_EQ(storms.kind, caps::kPace);
  EXPECT_EQ(storms.scope, caps::kScopeService);
  EXPECT_EQ(storms.async_fallback, caps::kFallbackReject);
  EXPECT_EQ(storms.call_site, 0u);
  EXPECT_EQ(storms.rule.interval_ns, 20'000'000u);
  EXPECT_EQ(storms.rule.burst, 20u);
  EXPECT_EQ(storms.rule.on_server_full, caps::kFullBackoff);
  EXPECT_EQ(storms.rule.on_limit, caps::kWait);
  EXPECT_EQ(storms.rule.wait_timeout_ms, 5'000u);
  EXPECT_STREQ(storms.host, "db*");
  EXPECT_STREQ(storms.port, "5432");
  EXPECT_STREQ(storms.user, "svc");
  EXPECT_STREQ(storms.application_name, "billing ?");

  const caps::Policy& all = loaded.config.policies[2];
  EXPECT_STREQ(all.name, "all");
  EXPECT_EQ(all.scope, caps::kScopeProcess);
  EXPECT_EQ(all.rule.limit, 50u);
  EXPECT_EQ(all.rule.on_limit, caps::kWarn);
}

TEST_F(ConfigTest, PoliciesAreInTheStartUpLine) {
  const Loaded loaded = RunFile(kExample);
  struct Case {
    const char* name;
    const char* value;
    const char* source;
  };
  const Case cases[] = {
      {"cap billing-db",
       "20 wait 10s max_waiting 100 async_fallback admit service dbname=billing* "
       "call_site=3f2a9c01b2d4e5f6",
       "/etc/pqleash.toml:2"},
      {"pace no storms",
       "50/s burst 20 backoff wait 5s service host=db* port=5432 user=svc "
       "application_name=billing ?",
       "/etc/pqleash.toml:13"},
      {"cap all", "50 warn process", "/etc/pqleash.toml:23"},
  };
  ASSERT_GT(loaded.effective.size(), 3u);
  const Effective* effective = &loaded.effective[loaded.effective.size() - 3];
  for (const Case& c : cases) {
    EXPECT_EQ(effective->name, c.name);
    EXPECT_EQ(effective->value, c.value);
    EXPECT_EQ(effective->source, c.source);
    ++effective;
  }
}

TEST_F(ConfigTest, TextsOfPoliciesArePaddedWithNul) {
  const Loaded loaded = RunFile("[[cap]]\nname = \"a\"\nlimit = 1\ndbname = \"b\"\n");
  ASSERT_EQ(loaded.config.policies.size(), 1u);
  const caps::Policy& policy = loaded.config.policies[0];
  EXPECT_EQ(std::string(policy.name, sizeof(policy.name)),
            "a" + std::string(sizeof(policy.name) - 1, '\0'));
  EXPECT_EQ(std::string(policy.dbname, sizeof(policy.dbname)),
            "b" + std::string(sizeof(policy.dbname) - 1, '\0'));
}

TEST_F(ConfigTest, GoodPolicies) {
  const std::string name47(47, 'n');
  const std::string glob63(63, 'g');
  const std::string cap = "[[cap]]\nname = \"a\"\nlimit = 5\n";
  const std::string pace = "[[pace]]\nname = \"a\"\n";
  struct Case {
    std::string text;
    const char* described;
  };
  const Case cases[] = {
      {cap, "5 warn process"},
      {"[[cap]]\nname = \"Zahlungen \u00fc\"\nlimit = 1000000\n", "1000000 warn process"},
      {"[[cap]]\nname = \"" + name47 + "\"\nlimit = 1\n", "1 warn process"},
      {cap + "port = \"54??\"\n", "5 warn process port=54??"},
      {cap + "port = 65535\n", "5 warn process port=65535"},
      {cap + "on_limit = \"reject\"\nscope = \"user\"\n", "5 reject user"},
      {cap + "wait_timeout = \"1ms\"\non_limit = \"wait\"\n", "5 wait 1ms process"},
      {cap + "on_limit = \"wait\"\nmax_waiting = 0\n", "5 wait 5s process"},
      {cap + "call_site = \"FF\"\n", "5 warn process call_site=00000000000000ff"},
      {pace + "rate = \"0.5/s\"\n", "30/m burst 1 wait 5s service"},
      {pace + "on_server_full = \"backoff\"\n", "backoff wait 5s service"},
      {pace + "rate = \"30/h\"\non_limit = \"reject\"\nscope = \"process\"\n",
       "30/h burst 1 reject process"},
      {pace + "rate = \"90/m\"\nmax_waiting = 7\n", "90/m burst 1 wait 5s max_waiting 7 service"},
      {"cap = [{name = \"a\", limit = 2}]\n", "2 warn process"},
      {cap + "host = \"" + glob63 + "\"\n", nullptr},
  };
  for (const Case& c : cases) {
    const Loaded loaded = RunFile(c.text);
    EXPECT_THAT(loaded.problems, IsEmpty()) << c.text;
    ASSERT_EQ(loaded.config.policies.size(), 1u) << c.text;
    if (c.described != nullptr) {
      EXPECT_EQ(loaded.effective.back().value, c.described);
    }
  }
}

TEST_F(ConfigTest, BadPoliciesAreNamedWithTheirLineAndNoneIsInForce) {
  const std::string name48(48, 'n');
  const std::string glob64(64, 'g');
  const std::string port16(16, '1');
  // Three lines.
  const std::string cap = "[[cap]]\nname = \"a\"\nlimit = 5\n";
  const std::string pace = "[[pace]]\nname = \"a\"\nrate = \"5/s\"\n";
  struct Case {
    std::string text;
    const char* problem;
  };
  const Case cases[] = {
      // Tables.
      {"[[caps]]\nname = \"a\"\nlimit = 5\n", "1: unknown key 'caps': did you mean 'cap'?"},
      {"[[paces]]\nname = \"a\"\n", "1: unknown key 'paces': did you mean 'pace'?"},
      {"[cap]\nname = \"a\"\nlimit = 5\n", "1: [cap] has one pair of brackets: write [[cap]]"},
      {"[pace]\nname = \"a\"\n", "1: [pace] has one pair of brackets: write [[pace]]"},
      {"cap = 20\n", "1: cap is neither a table nor a list of tables: write [[cap]]"},
      {"cap = [1]\n", "1: cap is neither a table nor a list of tables"},
      // Keys.
      {cap + "dbnam = \"x\"\n", "4: unknown key 'dbnam' of cap 'a': did you mean 'dbname'?"},
      {cap + "database = \"x\"\n",
       "4: unknown key 'database' of cap 'a': expected one of name, limit, host, port, dbname"},
      {pace + "database = \"x\"\n", "expected one of name, rate, burst, on_server_full, host"},
      {cap + "rate = \"5/s\"\n",
       "4: 'rate' of cap 'a' is a key of a pace: take it out, or write it in a [[pace]]"},
      {pace + "limit = 5\n", "4: 'limit' of pace 'a' is a key of a cap: take it out"},
      {cap + "log = \"stderr\"\n",
       "4: 'log' of cap 'a' is a setting of the whole file: write it above"},
      {cap + "[cap.target]\nx = 1\n", "4: unknown key 'target' of cap 'a'"},
      // What is missing.
      {"[[cap]]\nlimit = 5\n", "1: the cap in line 1 has no name: add one"},
      {"\n[[cap]]\nname = \"a\"\n", "2: cap 'a' has no limit: add one, such as limit = 20"},
      {"[[pace]]\nname = \"a\"\n", "1: pace 'a' has no rate: add one"},
      {"[[pace]]\nname = \"a\"\non_server_full = \"ignore\"\n", "1: pace 'a' has no rate"},
      {"[[pace]]\nname = \"a\"\non_server_full = \"backoff\"\nburst = 2\n",
       "4: burst of pace 'a' has no effect without a rate"},
      // Values.
      {"[[cap]]\nname = \"a\"\nlimit = 0\n",
       "3: '0' is no value for limit of cap 'a': expected a whole number of connections from 1 to"},
      {"[[cap]]\nname = \"a\"\nlimit = -5\n", "3: '-5' is no value for limit of cap 'a'"},
      {"[[cap]]\nname = \"a\"\nlimit = 1000001\n", "3: '1000001' is no value for limit"},
      {"[[cap]]\nname = \"a\"\nlimit = \"many\"\n", "3: 'many' is no value for limit"},
      {"[[cap]]\nname = \"a\"\nlimit = 2.5\n",
       "3: limit of cap 'a' is neither a text nor a whole number: expected a whole number"},
      {"[[cap]]\nname = \"\"\nlimit = 5\n", "2: '' is no value for name of the cap in line 1"},
      {"[[cap]]\nname = \"" + name48 + "\"\nlimit = 5\n", "expected a name of 1 to 47 bytes"},
      {"[[cap]]\nname = \"a:b\"\nlimit = 5\n", "2: 'a:b' is no value for name"},
      {"[[cap]]\nname = 'a\"b'\nlimit = 5\n", "2: 'a\"b' is no value for name"},
      {"[[cap]]\nname = \"a\\nb\"\nlimit = 5\n", "without control characters, ':' or '\"'"},
      {"[[cap]]\nname = \"a\\u0085b\"\nlimit = 5\n", "without control characters"},
      {"[[cap]]\nname = true\nlimit = 5\n", "2: name of the cap in line 1 is neither a text"},
      {cap + "dbname = \"\"\n",
       "4: '' is no value for dbname of cap 'a': expected a glob of 1 to 63"},
      {cap + "host = \"" + glob64 + "\"\n",
       "for host of cap 'a': expected a glob of 1 to 63 bytes"},
      {cap + "user = \"a\\u0000b\"\n", "for user of cap 'a': expected a glob"},
      {cap + "application_name = [\"a\"]\n", "4: application_name of cap 'a' is neither a text"},
      {cap + "port = \"" + port16 + "\"\n",
       "for port of cap 'a': expected a number from 1 to 65535"},
      {cap + "port = 0\n", "4: '0' is no value for port"},
      {cap + "port = 65536\n", "4: '65536' is no value for port"},
      {cap + "port = -5432\n", "4: '-5432' is no value for port"},
      {cap + "call_site = \"0\"\n", "4: '0' is no value for call_site"},
      {cap + "call_site = \"3f2a9c01b2d4e5f67\"\n", "1 to 16 hexadecimal digits, not 0"},
      {cap + "call_site = \"main.cc:5\"\n", "the id of a call site as `pqleash report` prints it"},
      {cap + "call_site = 0x3f2a\n", "4: '16170' is no value for call_site of cap 'a'"},
      {cap + "scope = \"host\"\n",
       "4: 'host' is no value for scope of cap 'a': expected process, "},
      {cap + "scope = \"none\"\n", "4: 'none' is no value for scope"},
      {cap + "on_limit = \"block\"\n", "4: 'block' is no value for on_limit of cap 'a'"},
      {cap + "on_limit = \"wait\"\nwait_timeout = \"5\"\n",
       "5: '5' is no value for wait_timeout of cap 'a': expected a time with its unit"},
      {cap + "on_limit = \"wait\"\nwait_timeout = 5\n", "5: '5' is no value for wait_timeout"},
      {cap + "on_limit = \"wait\"\nwait_timeout = \"0s\"\n", "from 1ms to 24h"},
      {cap + "on_limit = \"wait\"\nmax_waiting = -1\n", "5: '-1' is no value for max_waiting"},
      {cap + "on_limit = \"wait\"\nmax_waiting = 1000001\n", "from 0 (no bound) to 1000000"},
      {cap + "on_limit = \"wait\"\nasync_fallback = \"wait\"\n", "expected reject or admit"},
      {"[[pace]]\nname = \"a\"\nrate = \"50\"\n",
       "3: '50' is no value for rate of pace 'a': expected connects by the second"},
      {"[[pace]]\nname = \"a\"\nrate = 50\n", "3: '50' is no value for rate"},
      {"[[pace]]\nname = \"a\"\nrate = \"fast\"\n", "3: 'fast' is no value for rate"},
      {pace + "burst = 0\n", "4: '0' is no value for burst of pace 'a': expected a whole number"},
      {pace + "on_server_full = \"wait\"\n", "expected backoff or ignore"},
      // Contradictions.
      {cap + "wait_timeout = \"5s\"\n",
       "4: wait_timeout of cap 'a' contradicts on_limit = \"warn\" (the default): set on_limit = "
       "\"wait\", or take wait_timeout out"},
      {cap + "on_limit = \"reject\"\nmax_waiting = 5\n",
       "5: max_waiting of cap 'a' contradicts on_limit = \"reject\" (line 4)"},
      {pace + "async_fallback = \"admit\"\non_limit = \"warn\"\n",
       "4: async_fallback of pace 'a' contradicts on_limit = \"warn\" (line 5)"},
      {"limit = 5\nwait_timeout = \"1s\"\n",
       "2: wait_timeout contradicts on_limit = \"warn\" (the default)"},
      {"limit = 5\nwait_timeout = \"1s\"\non_limit = \"reject\"\n",
       "2: wait_timeout contradicts on_limit = \"reject\" (/etc/pqleash.toml:3)"},
      {cap + pace, "4: pace 'a' has the name of the cap at /etc/pqleash.toml:1: give each a name"},
      {cap + "\n" + cap, "5: cap 'a' has the name of the cap at /etc/pqleash.toml:1"},
      {cap + "[[cap]]\nname = \"b\"\nlimit = 6\n",
       "4: cap 'b' with limit 6 contradicts cap 'a' at /etc/pqleash.toml:1 with limit 5"},
      {cap + "user = \"u\"\n[[cap]]\nname = \"b\"\nlimit = 6\nuser = \"u\"\n",
       "5: cap 'b' with limit 6 contradicts cap 'a'"},
      {"limit = 9\n" + cap,
       "1: cap 'limit' with limit 9 contradicts cap 'a' at /etc/pqleash.toml:2"},
      {"limit = 5\n[[cap]]\nname = \"limit\"\nlimit = 5\n",
       "1: cap 'limit' has the name of the cap at /etc/pqleash.toml:2"},
      // Something else in the file.
      {cap + "[ledger]\nconections = 5\n", "5: unknown key 'ledger.conections'"},
      {"stack_depth = 0\n" + cap, "1: '0' is no value for stack_depth"},
  };
  for (const Case& c : cases) {
    const Loaded loaded = RunFile(c.text);
    EXPECT_THAT(loaded.config.policies, IsEmpty()) << c.text;
    EXPECT_THAT(
        loaded.problems,
        ElementsAre(AllOf(StartsWith("/etc/pqleash.toml:"), HasSubstr(c.problem)),
                    "/etc/pqleash.toml: 1 problem: no cap or pace of this configuration is in "
                    "force (observe only) until it is mended"))
        << c.text;
  }
}

TEST_F(ConfigTest, ProblemsAreToldInTheOrderOfTheFile) {
  const Loaded loaded =
      RunFile("[[pace]]\nname = \"z\"\nrate = 1\nburst = 0\n[[cap]]\nname = \"a\"\nlimit = 0\n");
  EXPECT_THAT(loaded.problems,
              ElementsAre(HasSubstr("toml:3: "), HasSubstr("toml:4: "), HasSubstr("toml:7: "),
                          HasSubstr("toml: 3 problems: no cap or pace of this configuration is in "
                                    "force (observe only) until they are mended")));
}

TEST_F(ConfigTest, CapsThatOnlySeemToContradictAreGood) {
  const std::string cap = "[[cap]]\nname = \"a\"\nlimit = 5\n[[cap]]\nname = \"b\"\n";
  for (const char* other : {"limit = 6\nscope = \"service\"\n", "limit = 6\nuser = \"u\"\n",
                            "limit = 6\ncall_site = \"1\"\n", "limit = 5\n"}) {
    const Loaded loaded = RunFile(cap + other);
    EXPECT_THAT(loaded.problems, IsEmpty()) << other;
    EXPECT_EQ(loaded.config.policies.size(), 2u) << other;
  }
}

TEST_F(ConfigTest, ThereAreAtMost64Policies) {
  const auto caps = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += "[[cap]]\nname = \"c" + std::to_string(i) + "\"\nlimit = 5\n";
    }
    return text;
  };
  const auto too_many = ElementsAre(HasSubstr("more than 64 caps and paces: take some out"),
                                    HasSubstr("1 problem: no cap or pace"));
  EXPECT_EQ(RunFile(caps(63)).config.policies.size(), 63u);
  EXPECT_EQ(RunFile(caps(64)).config.policies.size(), 64u);
  EXPECT_THAT(RunFile(caps(65)).problems, too_many);
  EXPECT_THAT(RunFile(caps(5'000)).problems, too_many);
  EXPECT_EQ(RunFile("limit = 5\n" + caps(63)).config.policies.size(), 64u);
  EXPECT_THAT(RunFile("limit = 5\n" + caps(64)).problems, too_many);
}

TEST_F(ConfigTest, ALimitIsACapOfTheProcess) {
  environment_ = {
      {"PQLEASH_LIMIT", "7"}, {"PQLEASH_ON_LIMIT", "wait"}, {"PQLEASH_WAIT_TIMEOUT", "90s"}};
  const Loaded loaded = RunFile("[[cap]]\nname = \"a\"\nlimit = 5\nscope = \"user\"\n");
  EXPECT_THAT(loaded.problems, IsEmpty());
  ASSERT_EQ(loaded.config.policies.size(), 2u);
  const caps::Policy& limit = loaded.config.policies[1];
  EXPECT_STREQ(limit.name, "limit");
  EXPECT_EQ(limit.kind, caps::kCap);
  EXPECT_EQ(limit.scope, caps::kScopeProcess);
  EXPECT_FALSE(caps::HasTarget(limit));
  EXPECT_EQ(limit.rule.limit, 7u);
  EXPECT_EQ(limit.rule.on_limit, caps::kWait);
  EXPECT_EQ(limit.rule.wait_timeout_ms, 90'000u);
  EXPECT_EQ(SourceOf(loaded, "cap limit"), "PQLEASH_LIMIT");
}

TEST_F(ConfigTest, ALimitOfAVariableIsNotInForceBesideAProblem) {
  environment_ = {{"PQLEASH_LIMIT", "7"}, {"PQLEASH_ON_LIMIT", "explode"}};
  const Loaded loaded = Run();
  EXPECT_EQ(loaded.file, "");
  EXPECT_THAT(loaded.config.policies, IsEmpty());
  EXPECT_THAT(loaded.problems, ElementsAre(HasSubstr("'explode' is no value for on_limit"),
                                           HasSubstr("PQLEASH_LIMIT: 1 problem: no cap or pace")));
}

TEST_F(ConfigTest, VariablesBesideALimitMayBeSetForManyServices) {
  environment_ = {{"PQLEASH_ON_LIMIT", "reject"}, {"PQLEASH_WAIT_TIMEOUT", "1s"}};
  EXPECT_THAT(Run().problems, IsEmpty());
  environment_["PQLEASH_LIMIT"] = "5";
  EXPECT_THAT(Run().problems, IsEmpty());
  // The variable overrules the file, which does not contradict itself.
  EXPECT_THAT(RunFile("limit = 9\non_limit = \"wait\"\nwait_timeout = \"2s\"\n").problems,
              IsEmpty());
}

TEST_F(ConfigTest, WithoutPoliciesAProblemIsNotToldTwice) {
  EXPECT_EQ(RunFile("stack_depth = 0\n").problems.size(), 1u);
  EXPECT_EQ(RunFile("[[cap]\n").problems.size(), 1u);
}

}  // namespace
}  // namespace pqleash::config
