// SPDX-License-Identifier: Apache-2.0
//
// Connects that are refused or parked look like libpq's own, and send nothing.

#include <arpa/inet.h>
#include <dirent.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "shim/support/clock.h"
#include "shim/tracker/admission.h"
#include "shim/tracker/process.h"
#include "shim/tracker/tracker.h"
#include "tests/interpose/libpq_flavour.h"
#include "tests/support/lateness.h"
#include "tests/support/wait_until.h"

namespace pqleash::tracker {

namespace {

constexpr char kText[] = "connection cap 10 reached (by the test)";
constexpr char kOver[] = "waited too long at connection cap 10";

// What the next connects are told.
struct Verdict {
  Admission admission = {};
  bool enters = false;  // it asks for a place under the cap of this process
  caps::Answer answer = caps::Answer::kUncounted;  // to that
  int asked = 0;
  bool could_park = false;
};
Verdict verdict;

class TestClerk final : public caps::Clerk {
 public:
  caps::Parked Look(uint32_t, uint64_t, uint64_t*) override { return answer_; }
  uint32_t Changes() override { return changes_; }
  void Sleep(uint32_t seen, uint64_t, WaitClock&) override { changes_.wait(seen); }
  void Nudge() override {
    ++changes_;
    changes_.notify_all();
  }
  void Say(caps::Parked answer) {
    answer_ = answer;
    Nudge();
  }

 private:
  std::atomic<caps::Parked> answer_ = caps::Parked::kWaiting;
  std::atomic<uint32_t> changes_ = 0;
};
TestClerk clerk;

}  // namespace

// In the place of the tracker's own.
Admission Admit(const ConnectCall& call, const libpq::Attempt& attempt,
                libpq::Destination&) noexcept {
  ++verdict.asked;
  verdict.could_park = CanPark(call, attempt);
  Process& process = *call.process;
  Admission admission = verdict.admission;
  if (admission.verdict == Admission::kRefuse) process.held_back.SetText(call.slot, kText);
  if (admission.verdict == Admission::kPark) {
    process.parking.UseClerk(&clerk);
    const bool can_park = verdict.could_park || verdict.enters;
    if (!can_park || !process.parking.Park(call.slot)) admission = {};
  }
  if (verdict.enters) {
    const caps::Outcome outcome = process.caps.Enter({.slot = call.slot,
                                                      .policies = process.caps.Sure(0),
                                                      .call_site = 0,
                                                      .now = Now(),
                                                      .since = 0,
                                                      .deadline = 0,
                                                      .may_wait = true,
                                                      .parked = true});
    verdict.answer = outcome.answer;
  }
  return admission;
}

void ExplainRefusal(Process& process, uint32_t slot) noexcept {
  process.held_back.SetText(slot, kOver);
}

namespace {

using testing::RealLibpq;
using testing::Symbolic;
using testing::TheCopy;
using testing::WaitUntil;

void Say(Admission::Verdict what, uint32_t timeout_s = 0) {
  verdict = {.admission = {what, timeout_s}};
}

bool Ready(int fd, short events) {
  pollfd wanted = {fd, events, 0};
  return poll(&wanted, 1, 0) == 1 && (wanted.revents & events) != 0;
}

int CountDescriptors() {
  int count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

// A port that somebody listens to, and nobody answers.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = std::to_string(ntohs(address.sin_port));
  }
  ~Listener() { Close(); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  const std::string& port() const { return port_; }
  bool Reached() const { return Ready(fd_, POLLIN); }

 private:
  int fd_;
  std::string port_;
};

class HeldBackConnects : public ::testing::Test {
 protected:
  HeldBackConnects() : conninfo_("host=127.0.0.1 port=" + listener_.port() + " dbname=d user=u") {}
  void TearDown() override {
    Say(Admission::kProceed);
    clerk.Say(caps::Parked::kWaiting);
    EXPECT_TRUE(HeldBack::None());
    if (Process* process = Process::Current()) {
      EXPECT_TRUE(WaitUntil([&] { return !process->parking.served(); }));
    }
  }

  static uint32_t StateOf(const PGconn* conn) {
    Process* process = Process::Current();
    const uint32_t slot = process->connections.Find(conn);
    return slot == kNoSlot
               ? 0
               : process->ledger.At<ledger::ConnectionSlot>(ledger::kConnections, slot).state;
  }

  void ExpectTarget(const PGconn* conn) const {
    EXPECT_STREQ(PQhost(conn), "127.0.0.1");
    EXPECT_EQ(PQport(conn), listener_.port());
    EXPECT_STREQ(PQdb(conn), "d");
    EXPECT_STREQ(PQuser(conn), "u");
    EXPECT_STREQ(PQpass(conn), "");
  }

  void ExpectRefused(PGconn* conn, const char* text) const {
    ASSERT_NE(conn, nullptr);
    EXPECT_EQ(PQstatus(conn), CONNECTION_BAD);
    EXPECT_EQ(PQsocket(conn), -1);
    EXPECT_EQ(PQerrorMessage(conn), std::string(text) + "\n");
    EXPECT_EQ(PQconnectPoll(conn), PGRES_POLLING_FAILED);
    EXPECT_EQ(PQresetPoll(conn), PGRES_POLLING_FAILED);
    EXPECT_EQ(PQtransactionStatus(conn), PQTRANS_UNKNOWN);
    EXPECT_EQ(PQbackendPID(conn), 0);
    EXPECT_EQ(PQconnectionNeedsPassword(conn), 0);
    EXPECT_EQ(PQexec(conn, "SELECT 1"), nullptr);
    EXPECT_EQ(StateOf(conn), ledger::kRefused);
    ExpectTarget(conn);
    EXPECT_FALSE(listener_.Reached());
    // For whoever looks past us. PQexec has a word of its own.
    EXPECT_EQ(TheCopy().status(conn), CONNECTION_BAD);
  }

  Listener listener_;
  const std::string conninfo_;
};

PGconn* OpenBy(Function function, const std::string& conninfo, const std::string& port) {
  const char* const keywords[] = {"dbname", nullptr};
  const char* const values[] = {conninfo.c_str(), nullptr};
  switch (function) {
    case Function::kPQconnectdb:
      return PQconnectdb(conninfo.c_str());
    case Function::kPQconnectdbParams:
      return PQconnectdbParams(keywords, values, 1);
    case Function::kPQsetdbLogin:
      return PQsetdbLogin("127.0.0.1", port.c_str(), nullptr, nullptr, "d", "u", nullptr);
    case Function::kPQconnectStart:
      return PQconnectStart(conninfo.c_str());
    default:
      return PQconnectStartParams(keywords, values, 1);
  }
}

TEST_F(HeldBackConnects, RefusedByEachFunction) {
  for (const Function function :
       {Function::kPQconnectdb, Function::kPQconnectdbParams, Function::kPQsetdbLogin,
        Function::kPQconnectStart, Function::kPQconnectStartParams}) {
    SCOPED_TRACE(Name(function));
    Say(Admission::kRefuse);
    errno = 4711;
    PGconn* conn = OpenBy(function, conninfo_, listener_.port());
    if (!RealLibpq()) {
      EXPECT_EQ(errno, 4711);  // libpq itself leaves what it likes
    }
    EXPECT_NE(std::string(TheCopy().error_message(conn)).find(kText), std::string::npos);
    ExpectRefused(conn, kText);
    EXPECT_EQ(verdict.asked, 1);
    PQfinish(conn);
  }
}

TEST_F(HeldBackConnects, RefusedAtAUnixSocket) {
  if (!RealLibpq()) GTEST_SKIP();
  Say(Admission::kRefuse);
  PGconn* conn = PQconnectdb("host=/nowhere port=1 dbname=d user=u");
  EXPECT_STREQ(PQerrorMessage(conn), (std::string(kText) + "\n").c_str());
  EXPECT_STREQ(PQhost(conn), "/nowhere");
  EXPECT_STREQ(PQport(conn), "1");
  PQfinish(conn);
}

TEST_F(HeldBackConnects, InvalidArgumentsAreLibpqsToRefuse) {
  if (!RealLibpq()) GTEST_SKIP();
  Say(Admission::kRefuse);
  for (const char* conninfo : {"nonsense=1", "neither", "host=h service=nowhere"}) {
    PGconn* conn = PQconnectdb(conninfo);
    EXPECT_EQ(PQstatus(conn), CONNECTION_BAD);
    EXPECT_EQ(std::string(PQerrorMessage(conn)).find("cap"), std::string::npos)
        << PQerrorMessage(conn);
    EXPECT_EQ(StateOf(conn), ledger::kFailed);
    PQfinish(conn);
  }
}

TEST_F(HeldBackConnects, RefusedAndReset) {
  Say(Admission::kRefuse);
  PGconn* conn = PQconnectdb(conninfo_.c_str());
  if (Symbolic()) {  // for good
    PQreset(conn);
    ExpectRefused(conn, kText);
    EXPECT_EQ(PQresetStart(conn), 0);
    ExpectRefused(conn, kText);
    EXPECT_EQ(verdict.asked, 1);
    PQfinish(conn);
    return;
  }
  PQreset(conn);
  ExpectRefused(conn, kText);
  EXPECT_EQ(PQresetStart(conn), 0);
  ExpectRefused(conn, kText);
  EXPECT_EQ(verdict.asked, 3);
  Say(Admission::kProceed);
  EXPECT_EQ(PQresetStart(conn), 1);
  EXPECT_NE(PQstatus(conn), CONNECTION_BAD);
  EXPECT_EQ(StateOf(conn), ledger::kResetting);
  EXPECT_STREQ(PQhost(conn), "127.0.0.1");
  if (RealLibpq()) {
    EXPECT_TRUE(WaitUntil([&] { return listener_.Reached(); }));
    EXPECT_GE(PQsocket(conn), 0);
    listener_.Close();
    PQreset(conn);
    EXPECT_EQ(std::string(PQerrorMessage(conn)).find("cap"), std::string::npos);
    EXPECT_NE(std::string(PQerrorMessage(conn)).find("refused"), std::string::npos);
    EXPECT_EQ(StateOf(conn), ledger::kFailed);
  } else {
    PQreset(conn);
    EXPECT_EQ(PQstatus(conn), CONNECTION_OK);
    EXPECT_EQ(StateOf(conn), ledger::kEstablished);
  }
  PQfinish(conn);
}

// Of a connection that failed by itself.
TEST_F(HeldBackConnects, ResetRefused) {
  const std::string conninfo = RealLibpq()
                                   ? "host=127.0.0.1 port=1 dbname=d user=u"
                                   : "host=127.0.0.1 port=1 dbname=d user=u standin_outcome=fail";
  PGconn* conn = PQconnectdb(conninfo.c_str());
  ASSERT_EQ(PQstatus(conn), CONNECTION_BAD);
  const std::string before = PQerrorMessage(conn);
  Say(Admission::kRefuse);
  EXPECT_EQ(PQresetStart(conn), 0);
  EXPECT_EQ(PQerrorMessage(conn), std::string(kText) + "\n");
  EXPECT_STREQ(PQport(conn), "1");
  EXPECT_EQ(StateOf(conn), ledger::kRefused);
  PQreset(conn);
  EXPECT_EQ(PQerrorMessage(conn), std::string(kText) + "\n");
  EXPECT_STREQ(PQport(conn), "1");
  Say(Admission::kProceed);
  PQreset(conn);
  EXPECT_EQ(PQerrorMessage(conn), before);
  EXPECT_EQ(StateOf(conn), ledger::kFailed);
  PQfinish(conn);
}

// With a live connection only libpq can end, a libpq that cannot be stopped goes on.
TEST_F(HeldBackConnects, ResetOfALiveConnectionRefused) {
  if (RealLibpq()) GTEST_SKIP();
  PGconn* conn = PQconnectdb(conninfo_.c_str());
  ASSERT_EQ(PQstatus(conn), CONNECTION_OK);
  Say(Admission::kRefuse);
  PQreset(conn);
  if (Symbolic()) {
    EXPECT_EQ(PQstatus(conn), CONNECTION_OK);
    EXPECT_EQ(StateOf(conn), ledger::kEstablished);
  } else {
    ExpectRefused(conn, kText);
  }
  PQfinish(conn);
}

// A libpq that cannot be stopped connects: then it waits in no queue, and counts.
TEST_F(HeldBackConnects, WhatCannotBeParkedCounts) {
  if (!Symbolic()) GTEST_SKIP();
  PGconn* conns[2];
  for (PGconn*& conn : conns) {
    Say(&conn == conns ? Admission::kProceed : Admission::kPark);
    verdict.enters = true;
    conn = PQconnectStart(conninfo_.c_str());
    ASSERT_NE(PQstatus(conn), CONNECTION_BAD);
    EXPECT_EQ(verdict.answer, &conn == conns ? caps::Answer::kGo : caps::Answer::kWait);
  }
  Process* process = Process::Current();
  for (PGconn* conn : conns) {
    EXPECT_TRUE(process->caps.Holds(process->connections.Find(conn)));
    EXPECT_EQ(StateOf(conn), ledger::kConnecting);
    PQfinish(conn);
  }
  EXPECT_EQ(process->parking.parked(), 0u);
}

void ExpectParked(PGconn* conn) {
  ASSERT_NE(conn, nullptr);
  EXPECT_EQ(PQstatus(conn), CONNECTION_STARTED);
  EXPECT_TRUE(Ready(PQsocket(conn), POLLOUT));
  EXPECT_FALSE(Ready(PQsocket(conn), POLLIN));
  EXPECT_EQ(PQconnectPoll(conn), PGRES_POLLING_READING);
  EXPECT_EQ(PQresetPoll(conn), PGRES_POLLING_READING);
  EXPECT_STREQ(PQerrorMessage(conn), "");
  EXPECT_EQ(PQexec(conn, "SELECT 1"), nullptr);
  EXPECT_EQ(PQstatus(conn), CONNECTION_STARTED);
}

TEST_F(HeldBackConnects, ParkedAndGranted) {
  for (const Function function : {Function::kPQconnectStart, Function::kPQconnectStartParams}) {
    SCOPED_TRACE(Name(function));
    Say(Admission::kPark);
    PGconn* conn = OpenBy(function, conninfo_, listener_.port());
    EXPECT_EQ(verdict.could_park, !Symbolic());
    if (Symbolic()) {
      EXPECT_EQ(StateOf(conn), ledger::kConnecting);
      PQfinish(conn);
      continue;
    }
    ExpectParked(conn);
    ExpectTarget(conn);
    EXPECT_EQ(StateOf(conn), ledger::kWaiting);
    EXPECT_FALSE(listener_.Reached());
    clerk.Say(caps::Parked::kGranted);
    EXPECT_TRUE(WaitUntil([&] { return Ready(PQsocket(conn), POLLIN); }));
    EXPECT_EQ(PQstatus(conn), CONNECTION_STARTED);
    errno = 4711;
    EXPECT_EQ(PQconnectPoll(conn), PGRES_POLLING_WRITING);
    EXPECT_TRUE(HeldBack::None());
    EXPECT_EQ(StateOf(conn), ledger::kConnecting);
    EXPECT_STREQ(PQhost(conn), "127.0.0.1");
    if (RealLibpq()) {
      EXPECT_TRUE(WaitUntil([&] { return listener_.Reached(); }));
      EXPECT_TRUE(WaitUntil([&] { return Ready(PQsocket(conn), POLLOUT); }));
      EXPECT_EQ(PQconnectPoll(conn), PGRES_POLLING_WRITING);
    } else {
      while (PQconnectPoll(conn) == PGRES_POLLING_READING) {
      }
      EXPECT_EQ(PQstatus(conn), CONNECTION_OK);
      EXPECT_EQ(StateOf(conn), ledger::kEstablished);
    }
    PQfinish(conn);
    clerk.Say(caps::Parked::kWaiting);
    if (RealLibpq()) break;  // the listener has been reached
  }
}

TEST_F(HeldBackConnects, ParkedAndRefused) {
  if (Symbolic()) GTEST_SKIP();
  Say(Admission::kPark);
  PGconn* conn = PQconnectStart(conninfo_.c_str());
  ExpectParked(conn);
  clerk.Say(caps::Parked::kRefused);
  EXPECT_TRUE(WaitUntil([&] { return Ready(PQsocket(conn), POLLIN); }));
  EXPECT_EQ(PQconnectPoll(conn), PGRES_POLLING_FAILED);
  EXPECT_NE(std::string(TheCopy().error_message(conn)).find(kOver), std::string::npos);
  ExpectRefused(conn, kOver);
  PQfinish(conn);
}

TEST_F(HeldBackConnects, ParkedAndFinished) {
  if (Symbolic()) GTEST_SKIP();
  PQfinish(PQconnectStart(conninfo_.c_str()));
  Process* process = Process::Current();
  const int before = CountDescriptors();
  const uint32_t failed = static_cast<uint32_t>(ledger::Load(process->ledger.header().failed));
  Listener unreached;
  Say(Admission::kPark);
  PGconn* conn =
      PQconnectStart(("host=127.0.0.1 dbname=d user=u port=" + unreached.port()).c_str());
  ExpectParked(conn);
  PQfinish(conn);
  EXPECT_FALSE(unreached.Reached());
  unreached.Close();
  EXPECT_EQ(CountDescriptors(), before);
  EXPECT_EQ(ledger::Load(process->ledger.header().failed), failed + 1);
}

TEST_F(HeldBackConnects, ResetParked) {
  if (Symbolic()) GTEST_SKIP();
  Say(Admission::kRefuse);
  PGconn* conn = PQconnectdb(conninfo_.c_str());
  Say(Admission::kPark);
  EXPECT_EQ(PQresetStart(conn), 1);
  ExpectParked(conn);
  ExpectTarget(conn);
  EXPECT_EQ(PQresetStart(conn), 1);  // once more
  ExpectParked(conn);
  ExpectTarget(conn);
  EXPECT_FALSE(listener_.Reached());
  clerk.Say(caps::Parked::kGranted);
  EXPECT_EQ(PQresetPoll(conn), PGRES_POLLING_WRITING);
  EXPECT_EQ(StateOf(conn), ledger::kResetting);
  if (RealLibpq()) {
    EXPECT_TRUE(WaitUntil([&] { return listener_.Reached(); }));
  }
  PQfinish(conn);
}

// The child's copy is libpq's alone.
TEST_F(HeldBackConnects, ForkWhileParked) {
  if (Symbolic()) GTEST_SKIP();
  Say(Admission::kPark);
  PGconn* conn = PQconnectStart(conninfo_.c_str());
  ExpectParked(conn);
  const pid_t child = fork();
  if (child == 0) {
    const bool plain = PQstatus(conn) == CONNECTION_NEEDED && PQsocket(conn) == -1;
    PQfinish(conn);
    Say(Admission::kRefuse);
    PGconn* own = PQconnectdb("host=127.0.0.1 port=1 dbname=d user=u");
    const bool refused = strstr(PQerrorMessage(own), kText) != nullptr;
    _exit(plain && refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ExpectParked(conn);
  PQfinish(conn);
}

TEST_F(HeldBackConnects, ConnectTimeoutThatIsLeft) {
  if (!RealLibpq()) GTEST_SKIP();
  for (const Function function : {Function::kPQconnectdb, Function::kPQsetdbLogin}) {
    SCOPED_TRACE(Name(function));
    Say(Admission::kProceed, 2);
    const testing::Lateness late;
    const auto begin = std::chrono::steady_clock::now();
    PGconn* conn = OpenBy(function, conninfo_ + " connect_timeout=60", listener_.port());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(took.count(), late.Allows(10));
    EXPECT_NE(strstr(PQerrorMessage(conn), "timeout"), nullptr) << PQerrorMessage(conn);
    EXPECT_EQ(StateOf(conn), ledger::kFailed);
    PQfinish(conn);
  }
}

TEST_F(HeldBackConnects, NullAndUnknownPassThrough) {
  Say(Admission::kRefuse);
  PGconn* conn = PQconnectdb(conninfo_.c_str());
  EXPECT_EQ(PQstatus(nullptr), CONNECTION_BAD);
  EXPECT_EQ(PQsocket(nullptr), -1);
  EXPECT_NE(strstr(PQerrorMessage(nullptr), "NULL"), nullptr);
  EXPECT_EQ(PQhost(nullptr), nullptr);
  // Made past us.
  auto* start =
      reinterpret_cast<decltype(&PQconnectStart)>(TheCopy().Real(Function::kPQconnectStart));
  PGconn* unknown = start("host=127.0.0.1 port=1 dbname=d user=u sslmode=none");
  EXPECT_EQ(PQstatus(unknown), CONNECTION_BAD);
  EXPECT_NE(strstr(PQerrorMessage(unknown), "sslmode"), nullptr);
  EXPECT_STREQ(PQport(unknown), "1");
  PQfinish(unknown);
  PQfinish(conn);
}

}  // namespace
}  // namespace pqleash::tracker
