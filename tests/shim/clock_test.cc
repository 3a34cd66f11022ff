// SPDX-License-Identifier: Apache-2.0

#include "shim/support/clock.h"

#include <gtest/gtest.h>
#include <sys/auxv.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "shim/support/futex.h"
#include "shim/support/vdso.h"

namespace pqleash {
namespace {

uint64_t OfLibc(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

class ReadsClock : public ::testing::TestWithParam<clockid_t> {};

TEST_P(ReadsClock, AsLibcDoes) {
  const uint64_t before = OfLibc(GetParam());
  const uint64_t ours = ReadClock(GetParam());
  EXPECT_GE(ours, before);
  EXPECT_LE(ours, OfLibc(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Clock, ReadsClock,
                         ::testing::Values(CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE,
                                           CLOCK_REALTIME));

TEST(Clock, OfAClockThatThereIsNotIsZeroAndErrnoIsKept) {
  errno = 77;
  EXPECT_EQ(ReadClock(1000), 0u);
  EXPECT_EQ(errno, 77);
}

const void* Vdso() { return reinterpret_cast<const void*>(getauxval(AT_SYSINFO_EHDR)); }

#if defined(__x86_64__)
constexpr char kFunction[] = "__vdso_clock_gettime";
#else
constexpr char kFunction[] = "__kernel_clock_gettime";
#endif

TEST(Vdso, HasTheClock) {
  if (Vdso() == nullptr) GTEST_SKIP() << "the kernel maps no vDSO here";
  const auto function = reinterpret_cast<ClockFunction>(FindVdsoFunction(Vdso(), kFunction));
  ASSERT_NE(function, nullptr);
  const uint64_t before = OfLibc(CLOCK_MONOTONIC);
  timespec now = {};
  EXPECT_EQ(function(CLOCK_MONOTONIC, &now), 0);
  EXPECT_GE(static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec),
            before);
}

TEST(Vdso, HasNothingOfAnotherName) {
  EXPECT_EQ(FindVdsoFunction(Vdso(), "__vdso_clock_gettim"), nullptr);
  EXPECT_EQ(FindVdsoFunction(Vdso(), (std::string(kFunction) + "2").c_str()), nullptr);
  EXPECT_EQ(FindVdsoFunction(Vdso(), ""), nullptr);
}

TEST(Vdso, NeedNotBeThere) {
  EXPECT_EQ(FindVdsoFunction(nullptr, kFunction), nullptr);
  alignas(8) const char no_elf[4096] = "no ELF";
  EXPECT_EQ(FindVdsoFunction(no_elf, kFunction), nullptr);
}

TEST(Futex, SaysThatItHasSlept) {
  uint32_t word = 7;
  const uint64_t begin = OfLibc(CLOCK_MONOTONIC);
  EXPECT_TRUE(FutexWaitFor(&word, 7, 20'000'000));
  EXPECT_GE(OfLibc(CLOCK_MONOTONIC) - begin, 20'000'000u);
  EXPECT_FALSE(FutexWaitFor(&word, 8, 60'000'000'000));
  EXPECT_TRUE(FutexWait(&word, 7, Now() - 1));
}

TEST(Futex, IsWokenByAnother) {
  uint32_t word = 0;
  std::thread waker([&word] {
    __atomic_store_n(&word, 1u, __ATOMIC_RELEASE);
    FutexWake(&word, 1);
  });
  while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0) FutexWaitFor(&word, 0, 60'000'000'000);
  waker.join();
  EXPECT_EQ(word, 1u);
}

// The clock stands still, as where somebody answers in the kernel's place.
class StandingClock : public ::testing::Test {
 protected:
  StandingClock() { clock_function.store(&Stand); }
  ~StandingClock() override { clock_function.store(before_); }

 private:
  static int Stand(clockid_t, timespec* now) {
    *now = {1'000, 0};
    return 0;
  }
  const ClockFunction before_ = (Now(), clock_function.load());
};

TEST_F(StandingClock, DoesNotMakeAWaitEndless) {
  uint32_t word = 0;
  WaitClock clock;
  const uint64_t until = clock.Now() + 30'000'000;
  int sleeps = 0;
  for (; clock.Now() < until && sleeps < 100; ++sleeps)
    clock.Sleep(&word, 0, clock.Now() + 10'000'000);
  EXPECT_EQ(sleeps, 3);
  EXPECT_EQ(clock.ahead(), 30'000'000u);
  EXPECT_EQ(WaitClock(clock.ahead()).Now(), until);
}

TEST(WaitClock, IsTheClockThatGoes) {
  uint32_t word = 0;
  WaitClock clock;
  clock.Sleep(&word, 0, clock.Now() + 1'000'000);
  EXPECT_EQ(clock.ahead(), 0u);
}

}  // namespace
}  // namespace pqleash
