// SPDX-License-Identifier: Apache-2.0

#include "shim/support/linker.h"

#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <cstdarg>
#include <cstddef>

#include "shim/support/elf_symbol.h"
#include "shim/support/link_map.h"
#include "shim/support/start_scope.h"

constinit PqleashDlsym pqleash_real_dlsym = nullptr;
constinit PqleashDlvsym pqleash_real_dlvsym = nullptr;
constinit PqleashDlopen pqleash_real_dlopen = nullptr;

namespace pqleash::linker {

namespace {

// The functions that only this file calls. nullptr: not looked up yet.
constinit decltype(&dlclose) real_dlclose = nullptr;
constinit decltype(&dlerror) real_dlerror = nullptr;
constinit decltype(&dladdr) real_dladdr = nullptr;
constinit decltype(&dladdr1) real_dladdr1 = nullptr;
constinit decltype(&dl_iterate_phdr) real_dl_iterate_phdr = nullptr;
// Not a function of the linker, but found in the same way. MemorySanitizer's vsnprintf checks every
// text that is printed.
using Print = int (*)(char* text, size_t size, const char* format, va_list arguments);
constinit Print real_vsnprintf = nullptr;

// Whether a look-up of ours has left an error message on this thread. The host would take it for
// one of its own. If it has not, the message, if any, is the host's and is left alone.
constinit thread_local bool complained __attribute__((tls_model("initial-exec"))) = false;

// Answers for a libc that hides the functions, which no release of glibc does. Without them a jump
// to address 0 would end the host.
void* NoSymbol(void*, const char*) { return nullptr; }
void* NoVersionedSymbol(void*, const char*, const char*) { return nullptr; }
void* NoObject(const char*, int) { return nullptr; }
int NothingClosed(void*) noexcept { return -1; }
char* NoError() noexcept { return nullptr; }
int NoAddress(const void*, Dl_info*) noexcept { return 0; }
int NoAddressEither(const void*, Dl_info*, void**, int) noexcept { return 0; }
int NoText(char* text, size_t size, const char*, va_list) {
  if (size > 0) text[0] = '\0';
  return 0;
}
int NoIteration(int (*)(dl_phdr_info*, size_t, void*), void*) { return 0; }

template <typename Pointer>
void FindOne(const char* name, Pointer none, Pointer* pointer) {
  void* found = FindLoadedFunction("libc.so.6", name);
  // libdl had these functions before glibc 2.34.
  if (found == nullptr) found = FindLoadedFunction("libdl.so.2", name);
  std::atomic_ref<Pointer>(*pointer).store(
      found != nullptr ? reinterpret_cast<Pointer>(found) : none, std::memory_order_release);
}

}  // namespace

void Find() {
  if (std::atomic_ref(pqleash_real_dlopen).load(std::memory_order_acquire) != nullptr) return;
  if (FirstLoadedObject() == nullptr) return;  // too early to find them; a later call tries again
  FindOne<decltype(&dlclose)>("dlclose", NothingClosed, &real_dlclose);
  FindOne<decltype(&dlerror)>("dlerror", NoError, &real_dlerror);
  FindOne<decltype(&dladdr)>("dladdr", NoAddress, &real_dladdr);
  FindOne<decltype(&dladdr1)>("dladdr1", NoAddressEither, &real_dladdr1);
  FindOne<decltype(&dl_iterate_phdr)>("dl_iterate_phdr", NoIteration, &real_dl_iterate_phdr);
  FindOne<Print>("vsnprintf", NoText, &real_vsnprintf);
  FindOne<PqleashDlsym>("dlsym", NoSymbol, &pqleash_real_dlsym);
  FindOne<PqleashDlvsym>("dlvsym", NoVersionedSymbol, &pqleash_real_dlvsym);
  FindOne<PqleashDlopen>("dlopen", NoObject,
                         &pqleash_real_dlopen);  // last: it tells other threads that all are there
}

void* LookUp(void* handle, const char* name) {
  Find();
  if (handle == RTLD_NEXT || handle == RTLD_DEFAULT) {
    const ScopeSearch search = SearchStartScope(name, handle == RTLD_NEXT);
    if (search.definition != nullptr || !search.anywhere) return search.definition;
  }
  // This must be a call, not a jump: RTLD_NEXT goes by the return address, which is then in this
  // library.
  void* result = pqleash_real_dlsym(handle, name);
  if (result == nullptr) complained = true;
  return result;
}

}  // namespace pqleash::linker

// The linker replaces every call of these functions in this library by the one here (--wrap).
// NOLINTBEGIN: the names are the linker's
#define PQLEASH_WRAP extern "C" __attribute__((visibility("hidden")))

PQLEASH_WRAP void* __wrap_dlsym(void* handle, const char* name) {
  return pqleash::linker::LookUp(handle, name);
}

// This must be a call too: RUNPATH and namespace are then those of this library.
PQLEASH_WRAP void* __wrap_dlopen(const char* path, int flags) {
  pqleash::linker::Find();
  void* handle = pqleash_real_dlopen(path, flags);
  if (handle == nullptr) pqleash::linker::complained = true;
  return handle;
}

PQLEASH_WRAP int __wrap_dlclose(void* handle) noexcept {
  pqleash::linker::Find();
  return pqleash::linker::real_dlclose(handle);
}

// Takes back a message that a look-up of ours has left. Other messages stay.
PQLEASH_WRAP char* __wrap_dlerror() noexcept {
  if (!pqleash::linker::complained) return nullptr;
  pqleash::linker::complained = false;
  return pqleash::linker::real_dlerror();
}

PQLEASH_WRAP int __wrap_dladdr(const void* address, Dl_info* info) {
  pqleash::linker::Find();
  return pqleash::linker::real_dladdr(address, info);
}

PQLEASH_WRAP int __wrap_dladdr1(const void* address, Dl_info* info, void** extra, int flags) {
  pqleash::linker::Find();
  return pqleash::linker::real_dladdr1(address, info, extra, flags);
}

// A jump would work as well: the linker takes the namespace from the return address, and this
// library is in the base namespace like the host.
PQLEASH_WRAP int __wrap_dl_iterate_phdr(int (*visit)(dl_phdr_info*, size_t, void*), void* data) {
  pqleash::linker::Find();
  const int result = pqleash::linker::real_dl_iterate_phdr(visit, data);
  asm volatile("" ::: "memory");
  return result;
}

PQLEASH_WRAP int __wrap_vsnprintf(char* text, size_t size, const char* format, va_list arguments) {
  pqleash::linker::Find();
  return pqleash::linker::real_vsnprintf(text, size, format, arguments);
}

PQLEASH_WRAP __attribute__((format(printf, 3, 4))) int __wrap_snprintf(char* text, size_t size,
                                                                       const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = __wrap_vsnprintf(text, size, format, arguments);
  va_end(arguments);
  return length;
}
// NOLINTEND
