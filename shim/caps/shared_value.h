// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CAPS_SHARED_VALUE_H_
#define PQLEASH_SHIM_CAPS_SHARED_VALUE_H_

namespace pqleash::caps {

// One load of what other processes may write at any moment, the lock notwithstanding: what is
// checked afterwards is what is used. A plain read may be repeated by the compiler.
template <typename Value>
Value Load(const Value& shared) {
  return __atomic_load_n(&shared, __ATOMIC_RELAXED);
}

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_SHARED_VALUE_H_
