// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_OUTER_UID_H_
#define PQLEASH_SHIM_SUPPORT_OUTER_UID_H_

#include <sys/types.h>

namespace pqleash {

// Returns the number that user `uid` of this user namespace has outside of it. Files in /dev/shm
// may be shared with the outside, where root of the namespace is another user. Returns `uid` if
// there is no namespace, no mapping, or no /proc. Reads /proc/self/uid_map, user_namespaces(7).
// Thread-safe. May change errno.
uid_t OuterUid(uid_t uid) noexcept;

// The same, with the content of that file given. Pure.
uid_t OuterUidIn(const char* map, uid_t uid) noexcept;

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_OUTER_UID_H_
