// SPDX-License-Identifier: Apache-2.0
//
// Functions of the shared object that the kernel maps into every process, vdso(7).

#ifndef PQLEASH_SHIM_SUPPORT_VDSO_H_
#define PQLEASH_SHIM_SUPPORT_VDSO_H_

namespace pqleash {

// The address of the function `name`; nullptr when it has none, or is none. `image` is what the
// auxiliary vector says of it (AT_SYSINFO_EHDR), and may be nullptr: under valgrind, say.
void* FindVdsoFunction(const void* image, const char* name);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_VDSO_H_
