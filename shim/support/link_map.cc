// SPDX-License-Identifier: Apache-2.0

#include "shim/support/link_map.h"

// ld.so's own, for debuggers. Weak: until this library is relocated its address reads as null.
#pragma weak _r_debug

namespace pqleash {

const link_map* FirstLoadedObject() {
  const r_debug* debug = &_r_debug;
  // The compiler must not take the address for one that is never null.
  asm("" : "+r"(debug));
  return debug != nullptr ? debug->r_map : nullptr;
}

}  // namespace pqleash
