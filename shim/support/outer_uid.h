// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_OUTER_UID_H_
#define PQLEASH_SHIM_SUPPORT_OUTER_UID_H_

#include <sys/types.h>

namespace pqleash {

// The number that user `uid` of this user namespace has outside of it, where files in /dev/shm may
// be shared: root of a namespace is somebody else there. `uid` itself where there is no namespace,
// no mapping of it, or no /proc. From /proc/self/uid_map, user_namespaces(7). Changes errno.
uid_t OuterUid(uid_t uid) noexcept;

// The same with the content of that file.
uid_t OuterUidIn(const char* map, uid_t uid) noexcept;

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_OUTER_UID_H_
