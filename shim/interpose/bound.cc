// SPDX-License-Identifier: Apache-2.0

#include "shim/interpose/bound.h"

#include "shim/interpose/calls.h"

// NOLINTBEGIN: the names and types are libpq's
namespace pqleash {
namespace {

// The same once more for each copy of libpq that dlsym may be asked about.
template <uint32_t number>
struct Bound {
#define PQLEASH_FUNCTION(role, name, result, parameters, arguments)           \
  static result name parameters {                                             \
    return PQLEASH_INTERCEPT(role, name, libpq::ByNumber(number), arguments); \
  }
#include "shim/interpose/functions.def"
#undef PQLEASH_FUNCTION

  static void* Address(Function function) {
    switch (function) {
#define PQLEASH_FUNCTION(role, name, result, parameters, arguments) \
  case Function::k##name:                                           \
    return reinterpret_cast<void*>(&Bound::name);
#include "shim/interpose/functions.def"
#undef PQLEASH_FUNCTION
    }
    return nullptr;
  }
};

}  // namespace

void* BoundWrapper(Function function, uint32_t copy) {
  static_assert(kBoundCopies == 4);
  switch (copy) {
    case 0:
      return Bound<0>::Address(function);
    case 1:
      return Bound<1>::Address(function);
    case 2:
      return Bound<2>::Address(function);
    case 3:
      return Bound<3>::Address(function);
    default:
      return nullptr;
  }
}

}  // namespace pqleash
// NOLINTEND
