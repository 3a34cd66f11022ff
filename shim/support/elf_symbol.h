// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_ELF_SYMBOL_H_
#define PQLEASH_SHIM_SUPPORT_ELF_SYMBOL_H_

namespace pqleash {

// Address of the default version of function `name` in a loaded object whose file name is one of
// `libraries` (nullptr-terminated), by the object's GNU hash table; nullptr: not found. For the
// functions of the dynamic linker that we export ourselves: any other way to ask for them leads
// back to us, since an unversioned definition satisfies versioned references too (glibc,
// elf/dl-lookup.c, check_match).
void* FindLoadedFunction(const char* const* libraries, const char* name);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_ELF_SYMBOL_H_
