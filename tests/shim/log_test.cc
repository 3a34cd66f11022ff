// SPDX-License-Identifier: Apache-2.0

#include "shim/log/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "shim/log/backlog.h"
#include "shim/log/json_line.h"
#include "shim/log/rate_limit.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::log {
namespace {

using nlohmann::json;

// 2026-11-21T12:40:03.250Z
constexpr uint64_t kRealtime = 1'795'264'803'250'000'000;

Line Example(std::string_view message) {
  return {kRealtime, Level::kWarn, Event::kCapReached, 4711, "orders", message};
}

std::string Formatted(const Line& line, Fields fields = {}) {
  char text[kJsonLineSize];
  const size_t length = FormatJsonLine(line, fields, text);
  EXPECT_EQ(length, strlen(text));
  EXPECT_LT(length, sizeof text);
  return text;
}

TEST(JsonLine, HasTheEventItsFieldsAndTheSentence) {
  const std::string line =
      Formatted(Example("cap \"db\" is reached"),
                {Field::Text("cap", "db"), Field::Number("limit", 20),
                 Field::Seconds("oldest_s", 2'500'000'000), Field::CallSite("call_site", 0x1f),
                 Field::CallSite("unknown", 0), Field::Flag("server_full", true)});
  EXPECT_EQ(line,
            R"({"time":"2026-11-21T12:40:03.250Z","level":"warn","event":"cap.reached","pid":4711,)"
            R"("service":"orders","cap":"db","limit":20,"oldest_s":2.500,)"
            R"("call_site":"000000000000001f","unknown":null,"server_full":true,)"
            R"("message":"cap \u0022db\u0022 is reached"})");
}

TEST(JsonLine, IsOneLineWhateverIsInIt) {
  const std::string hostile = "a\nb\x1b[31m\"}\\\xff";
  Line line = Example(hostile);
  line.service = hostile;
  const std::string text = Formatted(line, {Field::Text("holder", hostile)});
  for (const char c : text) EXPECT_GE(static_cast<unsigned char>(c), 0x20u) << text;
  const json parsed = json::parse(text);
  EXPECT_EQ(parsed["message"], "a\nb\x1b[31m\"}\\\uFFFD");
  EXPECT_EQ(parsed["holder"], parsed["service"]);
}

// Whatever is written must be parsed, at every length.
TEST(JsonLine, IsCutToAWholeObject) {
  for (const size_t size : {0u, 1'000u, 2'900u, 2'910u, 2'920u, 2'930u, 3'000u, 3'072u, 9'000u}) {
    for (const std::string_view unit : {"x", "\x01", "ü"}) {
      std::string message;
      while (message.size() < size) message += unit;
      const json parsed = json::parse(Formatted(Example(message)));
      const std::string got = parsed["message"];
      EXPECT_EQ(parsed.contains("cut"), got != message) << size;
      EXPECT_EQ(message.substr(0, got.size()), got) << size;
    }
  }
  // Fields of others' making that leave no room for anything.
  const std::string long_name(kJsonLineSize, '\x02');
  const json parsed = json::parse(Formatted(Example("text"), {Field::Text("cap", long_name)}));
  EXPECT_EQ(parsed["event"], "cap.reached");
  EXPECT_EQ(parsed["cut"], true);
  EXPECT_FALSE(parsed.contains("cap"));
}

TEST(Events, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const char* name : kEventNames) {
    EXPECT_TRUE(std::regex_match(name, std::regex("[a-z]+([._][a-z]+)*"))) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

TEST(RateLimit, AdmitsSoManyASecondAndCountsTheRest) {
  RateLimit limit;
  uint32_t left_out = 0;
  for (uint32_t i = 1; i <= kLinesPerSecond + 3; ++i) {
    EXPECT_EQ(limit.Admit(Event::kCapRoom, 100, &left_out), i <= kLinesPerSecond) << i;
    EXPECT_EQ(left_out, 0u) << i;
  }
  // Another event has a bound of its own.
  EXPECT_TRUE(limit.Admit(Event::kCapReached, 100, &left_out));
  // Not before the second is over.
  EXPECT_EQ(limit.Take(Event::kCapRoom, 100), 0u);
  EXPECT_TRUE(limit.Admit(Event::kCapRoom, 101, &left_out));
  EXPECT_EQ(left_out, 3u);
  EXPECT_TRUE(limit.Admit(Event::kCapRoom, 102, &left_out));
  EXPECT_EQ(left_out, 0u) << "said once";
}

TEST(RateLimit, WhatIsLeftOutIsTakenOnce) {
  RateLimit limit;
  uint32_t left_out = 0;
  for (uint32_t i = 0; i < kLinesPerSecond; ++i) limit.Admit(Event::kStart, 7, &left_out);
  EXPECT_EQ(limit.Take(Event::kStart, 8), 0u) << "all were written";
  limit.Admit(Event::kStart, 7, &left_out);
  EXPECT_EQ(limit.Take(Event::kStart, 8), 1u);
  EXPECT_EQ(limit.Take(Event::kStart, 9), 0u);
}

class LogFile : public ::testing::Test {
 protected:
  ~LogFile() override { Open(config::Config{}); }

  void Begin(config::LogFormat format, Level level = Level::kInfo) {
    config::Config config;
    config.log = path_;
    config.log_level = level;
    config.log_format = format;
    config.service = "orders";
    Open(config);
  }

  std::vector<std::string> Lines() const {
    Flush();
    std::vector<std::string> lines;
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  const testing::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "log";
};

TEST_F(LogFile, TextHasTheSentenceAlone) {
  Begin(config::LogFormat::kText);
  errno = EXDEV;
  Write(Level::kWarn, Event::kCapRoom, {Field::Text("cap", "db")}, "cap \"%s\" has room", "db");
  Write(Level::kDebug, Event::kCapRoom, "below the level");
  EXPECT_EQ(errno, EXDEV);
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  const std::regex form(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z pqleash\[)" +
                        std::to_string(getpid()) + R"(\] warning: cap "db" has room)");
  EXPECT_TRUE(std::regex_match(lines[0], form)) << lines[0];
}

TEST_F(LogFile, TextIsOneLineThatSteersNoTerminal) {
  Begin(config::LogFormat::kText);
  const struct {
    const char* said;
    const char* written;
  } cases[] = {
      {"a\nb\rc\td", "a?b?c?d"},
      {"\x1b[2J\x7f\x07", "?[2J??"},
      {"\xc2\x9b"
       "2J \xc2\xa0 \xc3\x9f \xc2",
       "??2J \xc2\xa0 \xc3\x9f \xc2"},
      {"\xff{}%s", "\xff{}%s"},
  };
  for (const auto& c : cases) Write(Level::kWarn, Event::kStart, "in %s", c.said);
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), std::size(cases));
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].substr(lines[i].find(": in ") + 5), cases[i].written);
  }
}

TEST_F(LogFile, JsonHasOneObjectALine) {
  Begin(config::LogFormat::kJson);
  Write(Level::kWarn, Event::kCapRoom, {Field::Text("cap", "d{b}")}, "cap \"%s\" {} has room",
        "db");
  Write(Level::kError, Event::kLedgerUnavailable, "no\nroom");
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  const json room = json::parse(lines[0]);
  EXPECT_EQ(room["event"], "cap.room");
  EXPECT_EQ(room["level"], "warn");
  EXPECT_EQ(room["pid"], getpid());
  EXPECT_EQ(room["service"], "orders");
  EXPECT_EQ(room["cap"], "d{b}");
  EXPECT_EQ(room["message"], "cap \"db\" {} has room");
  const std::regex time(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)");
  EXPECT_TRUE(std::regex_match(room["time"].get<std::string>(), time)) << lines[0];
  EXPECT_EQ(json::parse(lines[1])["message"], "no\nroom");
}

// Under a lock a line is said; without one it is written.
TEST_F(LogFile, IsWrittenByFlush) {
  Begin(config::LogFormat::kText);
  Write(Level::kWarn, Event::kCapRoom, "one");
  Write(Level::kWarn, Event::kCapRoom, "two");
  EXPECT_FALSE(std::ifstream(path_).is_open());
  Flush();
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], ::testing::EndsWith("one"));
  EXPECT_THAT(lines[1], ::testing::EndsWith("two"));
}

TEST_F(LogFile, BeyondTheBacklogLinesAreDroppedAndCounted) {
  Begin(config::LogFormat::kJson);
  // Of two events: of one so many are left out.
  for (size_t i = 0; i < Backlog::kLines / 2; ++i) {
    Write(Level::kWarn, Event::kPaceAdded, "again");
    Write(Level::kWarn, Event::kPaceChanged, "again");
  }
  Write(Level::kWarn, Event::kPaceRemoved, "one too many");
  Write(Level::kWarn, Event::kPaceRemoved, "two too many");
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), Backlog::kLines + 1);
  EXPECT_EQ(json::parse(lines[0])["event"], "log.dropped");
  EXPECT_EQ(json::parse(lines[0])["dropped"], 2);
}

// A child has what its parent has not written yet, and may have been made while another thread
// wrote.
TEST_F(LogFile, AForkedChildWritesItsOwnAlone) {
  Begin(config::LogFormat::kText);
  Write(Level::kWarn, Event::kCapRoom, "of the parent");
  const pid_t child = fork();
  if (child == 0) {
    Write(Level::kWarn, Event::kCapRoom, "of the child");
    Flush();
    _exit(0);
  }
  ASSERT_GT(child, 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  const std::vector<std::string> lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], ::testing::EndsWith("of the child"));
  EXPECT_THAT(lines[1], ::testing::EndsWith("of the parent"));
}

// A handler that leaves by siglongjmp while a line is said or written would leave it half done, and
// all that come after it unwritten.
TEST_F(LogFile, HandlersOfTheHostDoNotComeBetween) {
  Begin(config::LogFormat::kJson);
  static sigjmp_buf back;
  struct sigaction leave = {};
  leave.sa_handler = [](int) { siglongjmp(back, 1); };
  struct sigaction before;
  ASSERT_EQ(sigaction(SIGVTALRM, &leave, &before), 0);
  const itimerval often = {{0, 50}, {0, 50}};
  const itimerval never = {};
  volatile int left = 0;
  if (sigsetjmp(back, 1) != 0) left = left + 1;
  if (left == 0) setitimer(ITIMER_VIRTUAL, &often, nullptr);
  while (left < 200) {
    Write(Level::kWarn, Event::kPaceRoom, "again");
    Flush();
  }
  setitimer(ITIMER_VIRTUAL, &never, nullptr);
  sigaction(SIGVTALRM, &before, nullptr);
  Write(Level::kWarn, Event::kCapReached, "the last");
  const std::vector<std::string> lines = Lines();
  Finish();  // how many were left out: not for the next test
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(json::parse(lines.back())["message"], "the last");
  for (const std::string& line : lines) EXPECT_TRUE(json::accept(line)) << line;
}

// Threads say and write at the same time: each line once, whole.
TEST_F(LogFile, ThreadsLoseNothing) {
  Begin(config::LogFormat::kJson);
  constexpr int kThreads = 8;
  constexpr int kLines = 4;  // below what one event may have in a second
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([thread] {
      for (int i = 0; i < kLines; ++i) {
        Write(Level::kWarn, Event::kCapAdded, "%d of %d", i, thread);
        Flush();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> messages;
  for (const std::string& line : Lines()) {
    const json parsed = json::parse(line);
    EXPECT_EQ(parsed["event"], "cap.added");
    EXPECT_TRUE(messages.insert(parsed["message"]).second) << line;
  }
  EXPECT_EQ(messages.size(), size_t{kThreads} * kLines);
}

// Nobody reads, and then somebody does.
TEST_F(LogFile, WhatItsPlaceDoesNotTakeIsCounted) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  Begin(config::LogFormat::kText);
  for (int i = 0; i < 3; ++i) {
    Write(Level::kWarn, Event::kCapChanged, "lost");
    Flush();
  }
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  Write(Level::kWarn, Event::kCapChanged, "taken");
  Flush();
  std::string text(4096, '\0');
  const ssize_t size = read(reader, text.data(), text.size());
  close(reader);
  ASSERT_GT(size, 0);
  text.resize(static_cast<size_t>(size));
  EXPECT_THAT(text, ::testing::ContainsRegex(
                        "warning: 3 lines were dropped: [^\n]*\n[^\n]*warning: taken\n$"));
  EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("lost")));
}

// Each line is there, or counted.
TEST_F(LogFile, WhatIsLeftOutIsCounted) {
  constexpr uint64_t kWanted = 500;
  Begin(config::LogFormat::kJson, Level::kError);
  for (uint64_t i = 0; i < kWanted; ++i) {
    Write(Level::kError, Event::kConfigProblem, "again");
    Flush();
  }
  Finish();
  uint64_t written = 0;
  uint64_t left_out = 0;
  for (const std::string& line : Lines()) {
    const json parsed = json::parse(line);
    if (parsed["event"] == "config.problem") {
      ++written;
      continue;
    }
    EXPECT_EQ(parsed["event"], "log.left_out") << line;
    EXPECT_EQ(parsed["left_out_event"], "config.problem") << line;
    left_out += parsed["left_out"].get<uint64_t>();
  }
  EXPECT_EQ(written + left_out, kWanted);
  EXPECT_GE(written, kLinesPerSecond);
  EXPECT_GT(left_out, 0u);
}

}  // namespace
}  // namespace pqleash::log
