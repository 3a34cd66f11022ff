// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/system_calls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace pqleash::reporter {
namespace {

using Kind = Activity::Kind;

TEST(SystemCalls, ReadsWhatAThreadDoes) {
  struct Case {
    const char* text;
    Kind kind;
    int64_t call;
    uint64_t stack_pointer;
  };
  const Case cases[] = {
      {"0 0x3 0x7ffc0 0x400 0x0 0x0 0x9 0x7ffc7a3f6d28 0x7f1c2a0b1a1d\n", Kind::kInCall, 0,
       0x7ffc7a3f6d28},
      {"-1 0x7ffc7a3f6d28 0x7f1c2a0b1a1d\n", Kind::kOutside, -1, 0x7ffc7a3f6d28},
      {"running\n", Kind::kRunning, -1, 0},
      {"", Kind::kUnknown, -1, 0},
      {"0 0x3\n", Kind::kUnknown, -1, 0},
      {"0 0xz 0x1\n", Kind::kUnknown, -1, 0},
      {"-1 0x3 0x7ffc0 0x400 0x0 0x0 0x9 0x7ffc7a3f6d28 0x7f1c2a0b1a1d\n", Kind::kUnknown, -1, 0},
      {"7 0x3 0x7ffc0 400 0x0 0x0 0x9 0x7ffc7a3f6d28 0x7f1c2a0b1a1d\n", Kind::kUnknown, -1, 0},
  };
  for (const Case& test : cases) {
    const Activity activity = ParseActivity(test.text);
    EXPECT_EQ(activity.kind, test.kind) << test.text;
    EXPECT_EQ(activity.call, test.call) << test.text;
    EXPECT_EQ(activity.stack_pointer, test.stack_pointer) << test.text;
  }
  EXPECT_EQ(ParseActivity(cases[0].text).arguments,
            (std::array<uint64_t, 6>{0x3, 0x7ffc0, 0x400, 0, 0, 0x9}));
}

TEST(SystemCalls, OnlyWhatIsKnownToGoOnIsStopped) {
  struct Case {
    long call;
    bool unnoticed;
  };
  const Case cases[] = {
      {SYS_read, true},
      {SYS_ppoll, true},
      {SYS_futex, true},
      {SYS_accept4, true},
      {SYS_clock_nanosleep, true},
      {SYS_pselect6, true},
      {SYS_epoll_pwait, false},
      {SYS_rt_sigtimedwait, false},
      {SYS_semop, false},
      {SYS_write, false},
      {SYS_sendto, false},
      {SYS_io_getevents, false},
      {100'000, false},
  };
  for (const Case& test : cases) {
    Activity activity;
    activity.kind = Kind::kInCall;
    activity.call = test.call;
    EXPECT_EQ(StopsUnnoticed(activity), test.unnoticed) << NameOfCall(test.call);
  }
  Activity receiving;
  receiving.kind = Kind::kInCall;
  receiving.call = SYS_recvfrom;
  EXPECT_TRUE(StopsUnnoticed(receiving));
  receiving.arguments[3] = MSG_WAITALL;
  EXPECT_FALSE(StopsUnnoticed(receiving)) << "it would return what has come so far";
  EXPECT_FALSE(StopsUnnoticed({})) << "nothing is known of it";
}

TEST(SystemCalls, AWaitWithoutATimeOutIsTheSameWhenItBeginsAnew) {
  const auto waits = [](long call, std::array<uint64_t, 6> arguments) {
    Activity activity;
    activity.kind = Kind::kInCall;
    activity.call = call;
    activity.arguments = arguments;
    return WaitsForGood(activity);
  };
  EXPECT_TRUE(waits(SYS_epoll_pwait, {3, 0x7ffc0, 10, 0xffffffff}));
  EXPECT_FALSE(waits(SYS_epoll_pwait, {3, 0x7ffc0, 10, 1'000}));
  EXPECT_TRUE(waits(SYS_rt_sigtimedwait, {0x7ffc0, 0, 0, 8}));
  EXPECT_FALSE(waits(SYS_rt_sigtimedwait, {0x7ffc0, 0, 0x7ffd0, 8}));
  EXPECT_TRUE(waits(SYS_semtimedop, {1, 0x7ffc0, 1, 0}));
  EXPECT_FALSE(waits(SYS_semtimedop, {1, 0x7ffc0, 1, 0x7ffd0}));
  EXPECT_TRUE(waits(SYS_semop, {1, 0x7ffc0, 1}));
  EXPECT_FALSE(waits(SYS_write, {1, 0x7ffc0, 1})) << "some may be written already";
  EXPECT_FALSE(WaitsForGood({}));
}

TEST(SystemCalls, AreNamed) {
  EXPECT_EQ(NameOfCall(SYS_epoll_pwait), "epoll_wait");
  EXPECT_EQ(NameOfCall(100'000), "system call 100000");
}

}  // namespace
}  // namespace pqleash::reporter
