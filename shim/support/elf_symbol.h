// SPDX-License-Identifier: Apache-2.0
//
// Looks a function up in the symbol table of one loaded object, without libc and without the
// dynamic linker. The library needs this for functions that it exports itself: an unversioned
// definition satisfies versioned references too (glibc, elf/dl-lookup.c, check_match), so every
// other way to ask for such a function leads back to the library.
//
// All functions are thread-safe, allocate nothing and keep errno.

#ifndef PQLEASH_SHIM_SUPPORT_ELF_SYMBOL_H_
#define PQLEASH_SHIM_SUPPORT_ELF_SYMBOL_H_

#include <link.h>

namespace pqleash {

// Returns the address of the default version of function `name` in the object whose dynamic section
// is `dynamic` and whose load bias is `bias`. Uses its GNU or its System V hash table. Returns
// nullptr if the object does not define the function, or if the function is chosen at run time
// (STT_GNU_IFUNC). The object must stay loaded during the call.
void* FindFunction(const ElfW(Dyn) * dynamic, ElfW(Addr) bias, const char* name);

// Whether the object defines a symbol of that name, be it a function or a variable.
bool Defines(const ElfW(Dyn) * dynamic, ElfW(Addr) bias, const char* name);

// Calls FindFunction for the objects of the linker's list whose file name or soname is `library`,
// and returns the first result. For libraries that the program has started with; see
// FirstLoadedObject.
void* FindLoadedFunction(const char* library, const char* name);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_ELF_SYMBOL_H_
