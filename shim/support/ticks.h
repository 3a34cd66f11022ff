// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_TICKS_H_
#define PQLEASH_SHIM_SUPPORT_TICKS_H_

#include <cstdint>

namespace pqleash {

// The processor's counter of time: one instruction, no call and no memory. Its unit is the
// machine's affair; it is the same on all cores wherever Linux takes it for its own clock. Only
// differences of a fraction of a millisecond are ever compared, and roughly.
inline uint64_t Ticks() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  uint64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
#error "the processor's counter of time is not known here"
#endif
}

// About half of a millisecond. x86-64: its counter makes 2 to 4 steps a nanosecond on all that is
// in use today, which makes 0.25 to 0.5 ms of this. aarch64: by the frequency that the kernel has
// set.
inline uint64_t HalfMillisecondOfTicks() {
#if defined(__x86_64__)
  return 1'000'000;
#else
  uint64_t frequency;
  asm("mrs %0, cntfrq_el0" : "=r"(frequency));
  return frequency / 2'000;
#endif
}

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_TICKS_H_
