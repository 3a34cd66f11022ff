// SPDX-License-Identifier: Apache-2.0
//
// Looking a function up in the symbol table of one loaded object, without libc and without the
// linker. An unversioned definition satisfies versioned references too (glibc, elf/dl-lookup.c,
// check_match): for what we export ourselves, any other way to ask leads back to us.

#ifndef PQLEASH_SHIM_SUPPORT_ELF_SYMBOL_H_
#define PQLEASH_SHIM_SUPPORT_ELF_SYMBOL_H_

#include <link.h>

namespace pqleash {

// Address of the default version of function `name` that the object defines whose dynamic section
// is `dynamic`, loaded with `bias`, by its GNU or its System V hash table; nullptr: it defines
// none. Not for functions that are chosen at run time (STT_GNU_IFUNC): nullptr. The object must
// stay loaded meanwhile.
void* FindFunction(const ElfW(Dyn) * dynamic, ElfW(Addr) bias, const char* name);

// Whether the object defines a symbol of that name, a variable say.
bool Defines(const ElfW(Dyn) * dynamic, ElfW(Addr) bias, const char* name);

// FindFunction in an object of the linker's list whose file name, or whose soname, is `library`,
// the first one that has it. For libraries that the program has started with, see
// FirstLoadedObject.
void* FindLoadedFunction(const char* library, const char* name);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_ELF_SYMBOL_H_
