// SPDX-License-Identifier: Apache-2.0
//
// Which libpq the test runs with: LD_LIBRARY_PATH says.

#ifndef PQLEASH_TESTS_INTERPOSE_LIBPQ_FLAVOUR_H_
#define PQLEASH_TESTS_INTERPOSE_LIBPQ_FLAVOUR_H_

#include <string_view>

#include "shim/libpq/copies.h"

namespace pqleash::testing {

inline const libpq::Copy& TheCopy() {
  return *libpq::ForCaller(Function::kPQconnectStart, reinterpret_cast<const void*>(&TheCopy)).copy;
}

inline bool PathHolds(std::string_view part) {
  return std::string_view(TheCopy().path).find(part) != std::string_view::npos;
}
inline bool RealLibpq() { return !PathHolds("/standin/"); }
// Calls itself past us.
inline bool Symbolic() { return PathHolds("/standin/symbolic/"); }

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_INTERPOSE_LIBPQ_FLAVOUR_H_
