// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/kernel_references.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace pqleash::reporter
