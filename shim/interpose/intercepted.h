// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_INTERPOSE_INTERCEPTED_H_
#define PQLEASH_SHIM_INTERPOSE_INTERCEPTED_H_

#include <cstdint>

namespace pqleash {

// What PQLEASH_INTERCEPT switches on (ledger::Intercepted): 'dlsym,deepbind' by default, one of
// them, or 'none'. Read once, when the first libpq function is looked up, the first deeply bound
// object is loaded or the first connect comes; a variable, not a setting of the file, which is not
// read before the first connect. Nothing with PQLEASH_DISABLE.
uint32_t Intercepted() noexcept;

}  // namespace pqleash

#endif  // PQLEASH_SHIM_INTERPOSE_INTERCEPTED_H_
