// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_ELF_NEEDS_H_
#define PQLEASH_SHIM_SUPPORT_ELF_NEEDS_H_

namespace pqleash {

// Whether the shared object in file `path` needs a library for whose name `wanted` returns true.
// Reads the headers and the dynamic section, at most 64 KiB, and closes the file. Returns false for
// damaged files and for files of another format. Calls nothing of libc.
bool FileNeeds(const char* path, bool (*wanted)(const char* name));

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_ELF_NEEDS_H_
