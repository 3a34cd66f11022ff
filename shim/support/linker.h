// SPDX-License-Identifier: Apache-2.0
//
// The dynamic linker's own functions, found in libc's symbol table. This avoids the dlsym, dlvsym
// and dlopen that the library exports, and definitions by others that come before libc's.
// Sanitizers have such definitions, and so have programs that keep a list of the loaded objects
// (Seastar, ClickHouse), whose functions ask dlsym for the real one.
//
// All calls of these functions within the library come here, from whatever file: the build tells
// the linker so (--wrap in shim/CMakeLists.txt). Our dlerror takes back the message that a look-up
// of ours has left, and leaves the host's own message alone.

#ifndef PQLEASH_SHIM_SUPPORT_LINKER_H_
#define PQLEASH_SHIM_SUPPORT_LINKER_H_

// The addresses that interpose/linker.S jumps to. Set by linker::Find.
extern "C" {
using PqleashDlsym = void* (*)(void* handle, const char* name);
using PqleashDlvsym = void* (*)(void* handle, const char* name, const char* version);
using PqleashDlopen = void* (*)(const char* path, int flags);
extern __attribute__((visibility("hidden"))) PqleashDlsym pqleash_real_dlsym;
extern __attribute__((visibility("hidden"))) PqleashDlvsym pqleash_real_dlvsym;
extern __attribute__((visibility("hidden"))) PqleashDlopen pqleash_real_dlopen;
}

namespace pqleash::linker {

// Finds the functions if they are not known yet. Thread-safe. After the first success it costs a
// load and a compare. Calls nothing of libc, so it may run during the host's own start, and in a
// look-up that comes while the objects of a program are still being relocated.
void Find();

// Calls the real dlsym from this library, so that RTLD_NEXT means the objects after it. Symbols
// that the program has started with, and symbols that no object has, are found without dlsym
// (support/start_scope.h). Returns nullptr if there is no such symbol.
void* LookUp(void* handle, const char* name);

}  // namespace pqleash::linker

#endif  // PQLEASH_SHIM_SUPPORT_LINKER_H_
