// SPDX-License-Identifier: Apache-2.0
//
// Looks symbols up among the objects that the program has started with. They are never unloaded,
// and the global scope has them in the order of the linker's list.
//
// dlsym and dlopen are not used. Both discard the message of the host's last failure (dlerror), and
// dlopen runs the constructors of an object out of turn if they have not run yet.

#ifndef PQLEASH_SHIM_SUPPORT_START_SCOPE_H_
#define PQLEASH_SHIM_SUPPORT_START_SCOPE_H_

#include <link.h>

namespace pqleash {

// Remembers how many objects are loaded. To be called by a constructor. Until then all loaded
// objects count. Calls nothing of libc.
void NoteStartScope();

// Whether the running program loaded this library late: libc comes before it in the linker's list.
// Then no object counts as loaded at start. Calls nothing of libc.
bool LoadedLate();

// Whether the program has started with this object.
bool LoadedAtStart(const link_map* map);

struct ScopeSearch {
  void* definition;  // the first definition in the scope; nullptr: none
  bool anywhere;     // a loaded object of any scope defines the name
};
// Looks for function `name` in the whole scope, or in the objects after this library (RTLD_NEXT).
// Calls dl_iterate_phdr. If an object that was loaded before NoteStartScope has been unloaded, the
// scope is not known any more; the result is then no definition and `anywhere` true. Thread-safe.
ScopeSearch SearchStartScope(const char* name, bool after_us);

// Looks in the objects after this library without any lock of the linker's, for signal handlers.
// Only functions of objects that are never unloaded are found; nullptr: none. Calls nothing of
// libc.
void* FindAtStart(const char* name);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_START_SCOPE_H_
