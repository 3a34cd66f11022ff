// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_INTERPOSE_INTERCEPTED_H_
#define PQLEASH_SHIM_INTERPOSE_INTERCEPTED_H_

#include <atomic>
#include <cstdint>

namespace pqleash {

namespace internal {
// ledger::Intercepted, and the two bits below; 0: not decided yet.
extern std::atomic<uint32_t> intercepted;
inline constexpr uint32_t kDecided = 1u << 31;
inline constexpr uint32_t kSwitchedOff = 1u << 30;

// Decides, by the environment. Calls nothing of libc.
uint32_t DecideIntercepted() noexcept;

inline uint32_t KnownIntercepted() {
  const uint32_t value = intercepted.load(std::memory_order_relaxed);
  return value != 0 ? value : DecideIntercepted();
}
}  // namespace internal

// Of an attach: what was decided is decided anew when it is next asked for; and nothing beyond what
// the linker binds to us is intercepted any more.
inline void DecideAnew() noexcept { internal::intercepted.store(0, std::memory_order_relaxed); }
inline void StopIntercepting() noexcept {
  internal::intercepted.store(internal::kDecided, std::memory_order_relaxed);
}

// What PQLEASH_INTERCEPT switches on (ledger::Intercepted): 'dlsym,deepbind' by default, one of
// them, or neither ('linker': the linker's binding alone). Read once, when the first libpq function
// is looked up, the first deeply bound object is loaded or the first function of libpq is called; a
// variable, not a setting of the file, which is not read before the first connect. Nothing where
// the library is switched off.
inline uint32_t Intercepted() noexcept {
  return internal::KnownIntercepted() & ~(internal::kDecided | internal::kSwitchedOff);
}

// Whether PQLEASH_DISABLE, or PQLEASH_INTERCEPT=none, leaves a library that does nothing but jump.
// Read at the same time; a load and a compare afterwards.
inline bool SwitchedOff() noexcept {
  return (internal::KnownIntercepted() & internal::kSwitchedOff) != 0;
}

}  // namespace pqleash

#endif  // PQLEASH_SHIM_INTERPOSE_INTERCEPTED_H_
