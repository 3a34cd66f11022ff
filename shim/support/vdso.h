// SPDX-License-Identifier: Apache-2.0
//
// Finds functions of the shared object that the kernel maps into every process, vdso(7).

#ifndef PQLEASH_SHIM_SUPPORT_VDSO_H_
#define PQLEASH_SHIM_SUPPORT_VDSO_H_

namespace pqleash {

// Returns the address of function `name`, or nullptr if the object does not have it or is not
// valid. `image` is its address from the auxiliary vector (AT_SYSINFO_EHDR), and may be nullptr, as
// under valgrind. Thread-safe; calls nothing that changes errno.
void* FindVdsoFunction(const void* image, const char* name);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_VDSO_H_
