// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_LIBPQ_NAMES_H_
#define PQLEASH_SHIM_LIBPQ_NAMES_H_

#include "shim/support/plain_text.h"

namespace pqleash::libpq {

// Whether a file is libpq according to its name: 'libpq' not followed by a lower-case letter.
// libpq.so.5 is, and so is a wheel's libpq-9f38f5a2.so.5.16. libpqleash.so and libpqxx-6.4.so are
// not.
inline bool IsLibpqName(const char* path) {
  const char* rest = plain::After(plain::BaseName(path), "libpq");
  return rest != nullptr && !(*rest >= 'a' && *rest <= 'z');
}

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_NAMES_H_
