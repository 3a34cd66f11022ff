// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/kernel_references.h"

#include <gtest/gtest.h>

#include "reporter/reachability/threads.h"

namespace pqleash::reporter {
namespace {

using Values = std::vector<uint64_t>;

TEST(KernelReferences, ReadsUserDataOfEpoll) {
  EXPECT_EQ(
      EpollData("pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t1057\n"
                "tfd:        5 events:       19 data:     55d0c1a2b3c0  pos:0 ino:421 sdev:f\n"
                "tfd:       16 events:       19 data: ffffffffffffffff  pos:0 ino:421 sdev:f\n"),
      (Values{0x55d0c1a2b3c0, 0xffffffffffffffff}));
  for (const char* text : {"", "tfd:", "tfd: 5 data:", "tfd: 5 data: z", "data: 17"}) {
    EXPECT_EQ(EpollData(text), Values()) << text;
  }
}

TEST(KernelReferences, ReadsValuesOfTimers) {
  EXPECT_EQ(TimerData("ID: 0\nsignal: 10/000055d0c1a2b3c0\nnotify: signal/pid.5634\nClockID: 1\n"),
            Values{0x55d0c1a2b3c0});
  EXPECT_EQ(TimerData("signal: 10\nnotify: a/5\n"), Values());
}

TEST(Threads, ReadsTheStackPointerOfAThreadThatWaits) {
  struct Case {
    const char* text;
    std::optional<uint64_t> pointer;
  };
  const Case cases[] = {
      {"0 0x3 0x7ffc0 0x400 0x0 0x0 0x0 0x7ffc7a3f6d28 0x7f1c2a0b1a1d\n", 0x7ffc7a3f6d28},
      {"-1 0x7ffc7a3f6d28 0x7f1c2a0b1a1d\n", 0x7ffc7a3f6d28},
      {"running\n", std::nullopt},
      {"", std::nullopt},
      {"0 0x3\n", std::nullopt},
      {"0 0xz 0x1\n", std::nullopt},
  };
  for (const Case& test : cases) EXPECT_EQ(StackPointerIn(test.text), test.pointer) << test.text;
}

}  // namespace
}  // namespace pqleash::reporter
