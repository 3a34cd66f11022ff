// SPDX-License-Identifier: Apache-2.0

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <time.h>

#include <atomic>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "shim/include/pqleash.h"

#pragma weak pqleash_version
#pragma weak pqleash_open_connections
#pragma weak pqleash_opened_since
#pragma weak pqleash_stack
#pragma weak pqleash_report_json

namespace pqleash::testing {

// With a name that the dynamic linker knows.
__attribute__((noinline, visibility("default"))) PGconn* OpenHere(const char* conninfo = "") {
  PGconn* connection = PQconnectdb(conninfo);
  EXPECT_NE(connection, nullptr);
  return connection;
}

namespace {

using Json = nlohmann::json;

uint64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
}

// Other threads may open and finish meanwhile: asks until the answer fits, as pqleash.h says.
std::vector<const PGconn*> OpenedSince(uint64_t since) {
  std::vector<const PGconn*> open;
  size_t there = pqleash_opened_since(since, nullptr, 0);
  do {
    open.resize(there);
    there = pqleash_opened_since(since, open.data(), open.size());
  } while (there > open.size());
  open.resize(there);
  return open;
}

std::string Stack(const PGconn* connection) {
  std::string text(pqleash_stack(connection, nullptr, 0), '\0');
  EXPECT_EQ(pqleash_stack(connection, text.data(), text.size() + 1), text.size());
  return text;
}

std::string ReportText() {
  std::string text;
  size_t length = pqleash_report_json(nullptr, 0);
  do {
    text.resize(length);
    length = pqleash_report_json(text.data(), text.size() + 1);
  } while (length > text.size());
  text.resize(length);
  return text;
}

TEST(Api, IsThere) {
  ASSERT_NE(&pqleash_stack, nullptr);
  EXPECT_STREQ(pqleash_version(), PQLEASH_VERSION);
  EXPECT_NE(dlsym(RTLD_DEFAULT, "pqleash_report_json"), nullptr);
}

TEST(Api, KnowsWhatIsOpenSinceWhen) {
  PGconn* before = OpenHere();
  const unsigned open = pqleash_open_connections();
  const uint64_t since = Now();
  EXPECT_TRUE(OpenedSince(since).empty());
  PGconn* one = OpenHere();
  PGconn* failed = OpenHere("port=1 host=/nonexistent");
  EXPECT_EQ(PQstatus(failed), CONNECTION_BAD);
  EXPECT_EQ(OpenedSince(since), (std::vector<const PGconn*>{one, failed}));
  EXPECT_EQ(pqleash_open_connections(), open + 1) << "the failed one is not established";
  const PGconn* first = nullptr;
  EXPECT_EQ(pqleash_opened_since(since, &first, 1), 2U) << "what does not fit is counted";
  EXPECT_EQ(first, one);
  PQfinish(one);
  PQfinish(failed);
  EXPECT_TRUE(OpenedSince(since).empty());
  PQfinish(before);
}

TEST(Api, TellsWhereAConnectionWasOpened) {
  PGconn* connection = OpenHere();
  const std::string stack = Stack(connection);
  EXPECT_EQ(stack.rfind("#0 ", 0), 0U) << stack;
  EXPECT_NE(stack.substr(0, stack.find('\n')).find("OpenHere"), std::string::npos) << stack;
  EXPECT_EQ(stack.find("libpqleash"), std::string::npos) << stack;
  // As snprintf: what fits, terminated, and the whole length.
  char text[8] = "xxxxxxx";
  EXPECT_EQ(pqleash_stack(connection, text, sizeof text), stack.size());
  EXPECT_EQ(std::string(text), stack.substr(0, 7));
  char untouched = 'x';
  EXPECT_EQ(pqleash_stack(connection, &untouched, 0), stack.size());
  EXPECT_EQ(untouched, 'x');
  PQfinish(connection);
  EXPECT_EQ(pqleash_stack(connection, text, sizeof text), 0U) << "it is finished";
  EXPECT_STREQ(text, "");
}

TEST(Api, KeepsErrno) {
  PGconn* connection = OpenHere();
  errno = ENOTTY;
  Stack(connection);
  ReportText();
  EXPECT_EQ(errno, ENOTTY);
  PQfinish(connection);
}

TEST(Api, ReportsTheProcessAsJson) {
  // Bytes that JSON must escape, and that are no UTF-8; libpq itself makes '?' of some.
  PGconn* connection = OpenHere("application_name='a\"b\\\\c' password=hunter2");
  ASSERT_EQ(PQstatus(connection), CONNECTION_OK) << PQerrorMessage(connection);
  PQclear(PQexec(connection, "begin"));
  const std::string text = ReportText();
  const Json report = Json::parse(text);
  EXPECT_EQ(report["schema"], "pqleash.process/1");
  EXPECT_EQ(report["pid"], getpid());
  EXPECT_EQ(report["open"], pqleash_open_connections());
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
  Json found;
  Json site;
  for (const Json& call_site : report["call_sites"]) {
    for (const Json& candidate : call_site["connections"]) {
      if (candidate["backend_pid"] != PQbackendPID(connection)) continue;
      found = candidate;
      site = call_site;
    }
  }
  ASSERT_FALSE(found.is_null()) << report.dump(2);
  EXPECT_EQ(found["application_name"], "a\"b\\c");
  EXPECT_EQ(found["state"], "established");
  EXPECT_EQ(found["transaction"], "in_transaction");
  EXPECT_EQ(found["queries"], 1);
  EXPECT_EQ(found["dbname"], PQdb(connection));
  EXPECT_GE(found["age_s"].get<double>(), 0);
  EXPECT_LT(found["age_s"].get<double>(), 60);
  EXPECT_EQ(site["id"].get<std::string>().size(), 16U);
  EXPECT_NE(site["frames"][0]["function"].get<std::string>().find("OpenHere"), std::string::npos);
  PQfinish(connection);
}

TEST(Api, MayBeAskedWhileOtherThreadsConnect) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (!stop) PQfinish(OpenHere());
    });
  }
  for (int i = 0; i < 200; ++i) {
    const Json report = Json::parse(ReportText(), nullptr, false);
    EXPECT_FALSE(report.is_discarded());
    EXPECT_LE(OpenedSince(0).size(), 4U);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(OpenedSince(0).empty());
}

}  // namespace
}  // namespace pqleash::testing
