// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CAPS_SHARED_VALUE_H_
#define PQLEASH_SHIM_CAPS_SHARED_VALUE_H_

namespace pqleash::caps {

// Loads a value once. Other processes may write it at any time, even while this one holds the lock,
// so the value that was checked must be the value that is used. The compiler might repeat a plain
// read.
template <typename Value>
Value Load(const Value& shared) {
  return __atomic_load_n(&shared, __ATOMIC_RELAXED);
}

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_SHARED_VALUE_H_
