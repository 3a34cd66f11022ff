// SPDX-License-Identifier: Apache-2.0
//
// Looking symbols up among the objects that the program has started with, which are never unloaded
// and stand in the global scope in the order of the linker's list. Without dlsym and dlopen: these
// forget the message of the host's own last failure (dlerror), and dlopen of an object whose
// constructors have not run yet runs them, out of turn.

#ifndef PQLEASH_SHIM_SUPPORT_START_SCOPE_H_
#define PQLEASH_SHIM_SUPPORT_START_SCOPE_H_

#include <link.h>

namespace pqleash {

// Remembers how many objects there are; to be called by a constructor. Until then all that are
// loaded count. Calls nothing of libc.
void NoteStartScope();

// Whether the program has started with the object.
bool LoadedAtStart(const link_map* map);

struct ScopeSearch {
  void* definition;  // the first one in the scope; nullptr: none
  bool anywhere;     // some loaded object, of whatever scope, defines the name
};
// Of function `name`, in the whole scope or in what comes after this library (RTLD_NEXT). Asks
// dl_iterate_phdr. Where an object has been unloaded that came before the scope was noted, there is
// no telling any more: no definition, anywhere.
ScopeSearch SearchStartScope(const char* name, bool after_us);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_START_SCOPE_H_
