// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_ELF_IMPORTS_H_
#define PQLEASH_SHIM_SUPPORT_ELF_IMPORTS_H_

#include <link.h>

#include <cstddef>

namespace pqleash {

// Whether a loaded object imports one of the functions `names`, a list that ends with nullptr.
// `headers` are its program headers in memory. Calls no function, so constructors may use it.
bool ImportsOneOf(const ElfW(Phdr) * headers, size_t count, const char* const* names);

// Whether the object exports one of the functions.
bool ExportsOneOf(const ElfW(Phdr) * headers, size_t count, const char* const* names);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_ELF_IMPORTS_H_
