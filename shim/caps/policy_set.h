// SPDX-License-Identifier: Apache-2.0
//
// Sets of policies as bit masks: bit i stands for record i of a board.

#ifndef PQLEASH_SHIM_CAPS_POLICY_SET_H_
#define PQLEASH_SHIM_CAPS_POLICY_SET_H_

#include <bit>
#include <cstdint>

namespace pqleash::caps {

constexpr uint64_t Bit(uint32_t number) { return uint64_t{1} << number; }

constexpr bool Contains(uint64_t policies, uint32_t number) {
  return (policies >> number & 1) != 0;
}

// Returns the smallest number in the set. REQUIRES: the set is not empty.
constexpr uint32_t First(uint64_t policies) {
  return static_cast<uint32_t>(std::countr_zero(policies));
}

// Calls `visit` for each number in the set, in ascending order.
template <typename Visit>
void ForEach(uint64_t policies, Visit visit) {
  for (; policies != 0; policies &= policies - 1) visit(First(policies));
}

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_POLICY_SET_H_
