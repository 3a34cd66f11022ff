// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_TICKS_H_
#define PQLEASH_SHIM_SUPPORT_TICKS_H_

#include <cstdint>

namespace pqleash {

// Returns the processor's time counter. It costs one instruction, no call and no memory. Its unit
// depends on the machine. It is the same on all cores if Linux uses it as its own clock. The
// library compares only differences of a fraction of a millisecond, and only roughly.
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

// Returns about half a millisecond in ticks. On x86-64 the counters in use today make 2 to 4 steps
// per nanosecond, so the result is 0.25 to 0.5 ms. On aarch64 it is calculated from the frequency
// that the kernel has set.
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
