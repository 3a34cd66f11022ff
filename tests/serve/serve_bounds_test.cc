// SPDX-License-Identifier: Apache-2.0
//
// Clients of `pqleash serve` that are many, slow, or no clients at all.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <vector>

#include "tests/serve/served.h"
#include "tests/support/lateness.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {
namespace {

using Clock = std::chrono::steady_clock;

TEST(ServeBoundsTest, MalformedRequestsAreRefusedOneByOne) {
  Served served;
  ASSERT_TRUE(served.Start());
  const std::string get = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";
  const struct {
    std::string bytes;
    const char* begins;
  } cases[] = {
      {"\r\n\r\n", "HTTP/1.1 400 "},
      {"hello\r\n\r\n", "HTTP/1.1 400 "},
      {"GET /metrics HTTP/9.9\r\n\r\n", "HTTP/1.1 505 "},
      {"GET /" + std::string(5'000, 'a') + " HTTP/1.1\r\n\r\n", "HTTP/1.1 414 "},
      {get + "X: " + std::string(100'000, 'a') + "\r\n\r\n", "HTTP/1.1 431 "},
      {std::string(1'000'000, 'a'), "HTTP/1.1 431 "},
      {get + "no colon\r\n\r\n", "HTTP/1.1 400 "},
      {std::string("GET /\0 HTTP/1.1\r\n\r\n", 19), "HTTP/1.1 400 "},
      {"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nx",
       "HTTP/1.1 405 "},
      {"POST /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
       "chunked\r\n\r\nffffffff\r\n",
       "HTTP/1.1 405 "},
      {"TRACE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 405 "},
      {"FROB /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 4"},
      {"GET /%00%ff%zz?%%% HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 404 "},
      {get + "Range: bytes=0-0,0-0,0-0\r\n\r\n", "HTTP/1.1 200 "},
      {get + "\r\nGET /metrics HTTP/1.1\r\n", "HTTP/1.1 200 "},
      {"GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 403 "},
      {"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 "},
      {"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 "},
  };
  for (const auto& c : cases) {
    const std::string answer = served.Exchange(c.bytes);
    EXPECT_THAT(answer, ::testing::StartsWith(c.begins)) << c.bytes.substr(0, 100);
  }
  const std::string head = served.Exchange("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(head.find("pqleash_"), std::string::npos) << "a head has no body";
  EXPECT_EQ(served.Get("/metrics").status, 200) << "and it goes on";
}

// Whether the server has not yet ended a connection on which it says nothing.
bool IsOpen(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

TEST(ServeBoundsTest, SlowClientsDoNotKeepOthersWaiting) {
  Served served, idle;
  ASSERT_TRUE(served.Start());
  ASSERT_TRUE(idle.Start());
  const int single = idle.Connect();
  std::vector<int> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(served.Connect());
    const std::string half = i % 2 == 0 ? "" : "GET /metrics HT";
    ASSERT_EQ(send(slow.back(), half.data(), half.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(half.size()));
  }
  EXPECT_EQ(served.Get("/metrics").status, 200);
  // A hundred, sixteen at a time, a quarter of a second each: all that before a single one, whom
  // nobody waits behind, has used up the patience that a server has with him.
  EXPECT_TRUE(IsOpen(single)) << "others were kept waiting";
  close(single);
  for (const int fd : slow) close(fd);
}

TEST(ServeBoundsTest, AClientThatSaysNothingIsSentAway) {
  Served served;
  ASSERT_TRUE(served.Start());
  const Lateness late;
  const auto begun = Clock::now();
  EXPECT_THAT(served.Exchange("GET /metrics HTTP/1.1\r\n"), ::testing::StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(served.Exchange(""), "");
  EXPECT_LT(std::chrono::duration<double>(Clock::now() - begun).count(), late.Allows(19));
}

TEST(ServeBoundsTest, TwoHundredScrapesAtATimeAreOneReading) {
  Served served;
  const Sleeper process;
  Write(LedgerOf(process.pid(), "orders"), served.ledgers());
  ASSERT_TRUE(served.Start());
  const auto begun = Clock::now();
  const double before = served.Metrics()["pqleash_readings_total"];
  std::vector<std::future<int>> scrapes;
  for (int i = 0; i < 200; ++i) {
    scrapes.push_back(
        std::async(std::launch::async, [&] { return served.Get("/metrics").status; }));
  }
  for (auto& scrape : scrapes) EXPECT_EQ(scrape.get(), 200);
  const double after = served.Metrics()["pqleash_readings_total"];
  // All readings between the two lie between the two times.
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  EXPECT_LE(after, before + seconds + 2) << "in " << seconds << " s";
}

TEST(ServeBoundsTest, TwoHundredReportsAtATime) {
  Served served;
  const Sleeper process;
  Write(LedgerOf(process.pid(), "orders"), served.ledgers());
  ASSERT_TRUE(served.Start());
  ASSERT_EQ(served.Get("/api/report").status, 200);
  std::vector<std::future<int>> reports;
  for (int i = 0; i < 200; ++i) {
    reports.push_back(
        std::async(std::launch::async, [&] { return served.Get("/api/report").status; }));
  }
  for (auto& report : reports) EXPECT_EQ(report.get(), 200);
}

}  // namespace
}  // namespace pqleash::testing
