// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_ELF_IMPORTS_H_
#define PQLEASH_SHIM_SUPPORT_ELF_IMPORTS_H_

#include <link.h>

#include <cstddef>

namespace pqleash {

// Whether the loaded object with these program headers, where they lie in memory, asks for one of
// the functions `names`, a list that ends with nullptr. Calls nothing: for constructors.
bool ImportsOneOf(const ElfW(Phdr) * headers, size_t count, const char* const* names);

// Whether it offers one of them to others.
bool ExportsOneOf(const ElfW(Phdr) * headers, size_t count, const char* const* names);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_ELF_IMPORTS_H_
