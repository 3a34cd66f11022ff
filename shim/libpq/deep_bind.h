// SPDX-License-Identifier: Apache-2.0
//
// Remembers which objects were loaded with RTLD_DEEPBIND. The flag makes the linker search an
// object's needed libraries before the preload (dlopen(3)). PHP up to 8.4 loads its extensions with
// it, and freeradius its modules. pqleash removes the flag for objects that need libpq. The linker
// would have bound their calls to their own libpq first, so pqleash passes the calls there first.
//
// Thread-safe and lock-free.

#ifndef PQLEASH_SHIM_LIBPQ_DEEP_BIND_H_
#define PQLEASH_SHIM_LIBPQ_DEEP_BIND_H_

namespace pqleash::libpq {

// Remembers `path` as it was given to dlopen. At most 64 paths are remembered; further objects are
// bound as if they had not used the flag.
void NoteDeepBind(const char* path);

// Whether NoteDeepBind was called for the object that the linker calls `path`.
bool AskedForDeepBind(const char* path);

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_DEEP_BIND_H_
