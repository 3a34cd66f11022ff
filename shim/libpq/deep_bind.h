// SPDX-License-Identifier: Apache-2.0
//
// Objects that were to be loaded with RTLD_DEEPBIND, which puts what an object needs before the
// preload (dlopen(3)). PHP up to 8.4 loads its extensions so, freeradius its modules. The flag is
// taken out for objects that need libpq; since the linker would have bound them to their own libpq
// first, so do we.

#ifndef PQLEASH_SHIM_LIBPQ_DEEP_BIND_H_
#define PQLEASH_SHIM_LIBPQ_DEEP_BIND_H_

namespace pqleash::libpq {

// Remembers `path`, as it was given to dlopen. At most 64; further ones are bound as if they had
// not asked.
void NoteDeepBind(const char* path);

// Whether the object that the linker calls `path` was one.
bool AskedForDeepBind(const char* path);

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_DEEP_BIND_H_
