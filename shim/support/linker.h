// SPDX-License-Identifier: Apache-2.0
//
// The dynamic linker's own functions, found in libc's symbol table: past the dlsym, dlvsym and
// dlopen that we export, and past whoever else has put functions of these names before libc's.
// Sanitizers do, and so do programs that keep a list of the loaded objects (Seastar, ClickHouse):
// theirs ask dlsym for the real one.
//
// Within the library all calls of these functions come here, whatever file they are in: the linker
// is told so (--wrap in shim/CMakeLists.txt). dlerror there forgets what a look-up of ours has left
// behind, and the host's own message it leaves alone.

#ifndef PQLEASH_SHIM_SUPPORT_LINKER_H_
#define PQLEASH_SHIM_SUPPORT_LINKER_H_

// By their addresses, for interpose/linker.S to jump to; set by linker::Find.
extern "C" {
using PqleashDlsym = void* (*)(void* handle, const char* name);
using PqleashDlvsym = void* (*)(void* handle, const char* name, const char* version);
using PqleashDlopen = void* (*)(const char* path, int flags);
extern __attribute__((visibility("hidden"))) PqleashDlsym pqleash_real_dlsym;
extern __attribute__((visibility("hidden"))) PqleashDlvsym pqleash_real_dlvsym;
extern __attribute__((visibility("hidden"))) PqleashDlopen pqleash_real_dlopen;
}

namespace pqleash::linker {

// Makes sure that they are known. Thread-safe; after the first call a load and a compare. Calls
// nothing of libc: fit for the host's own start-up, and for a look-up that comes while the objects
// of a program are still being relocated.
void Find();

// The real dlsym, as called from this library: RTLD_NEXT means what comes after it. What the
// program has started with, and what nobody has, is found without it (support/start_scope.h).
void* LookUp(void* handle, const char* name);

}  // namespace pqleash::linker

#endif  // PQLEASH_SHIM_SUPPORT_LINKER_H_
