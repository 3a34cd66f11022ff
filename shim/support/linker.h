// SPDX-License-Identifier: Apache-2.0
//
// The dynamic linker's own functions, past the dlsym, dlvsym and dlopen that we export.

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

// Makes sure that the three are known. Thread-safe; after the first call a load and a compare.
void Find();

// The real dlsym, as called from this library: RTLD_NEXT means what comes after it.
void* LookUp(void* handle, const char* name);

}  // namespace pqleash::linker

#endif  // PQLEASH_SHIM_SUPPORT_LINKER_H_
