// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_LIBPQ_NAMES_H_
#define PQLEASH_SHIM_LIBPQ_NAMES_H_

#include <cstring>

namespace pqleash::libpq {

// Whether a file is libpq by its name: 'libpq' and then no letter, as in libpq.so.5 and a wheel's
// libpq-9f38f5a2.so.5.16. libpqleash.so and libpqxx-6.4.so are none.
inline bool IsLibpqName(const char* path) {
  const char* slash = strrchr(path, '/');
  const char* name = slash != nullptr ? slash + 1 : path;
  return strncmp(name, "libpq", 5) == 0 && !(name[5] >= 'a' && name[5] <= 'z');
}

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_NAMES_H_
