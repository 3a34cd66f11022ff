// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_ELF_NEEDS_H_
#define PQLEASH_SHIM_SUPPORT_ELF_NEEDS_H_

namespace pqleash {

// Whether the shared object in file `path` names, among the libraries that it needs, one that
// `wanted` says yes to. Reads its headers and dynamic section, at most 64 KiB, and keeps no
// descriptor; damaged and foreign files say no. Calls nothing of libc.
bool FileNeeds(const char* path, bool (*wanted)(const char* name));

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_ELF_NEEDS_H_
