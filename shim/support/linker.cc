// SPDX-License-Identifier: Apache-2.0

#include "shim/support/linker.h"

#include <atomic>

#include "shim/support/elf_symbol.h"

constinit PqleashDlsym pqleash_real_dlsym = nullptr;
constinit PqleashDlvsym pqleash_real_dlvsym = nullptr;
constinit PqleashDlopen pqleash_real_dlopen = nullptr;

namespace pqleash::linker {

namespace {

// For a libc that hides them, which no release of glibc does: an answer, where a jump to nowhere
// would end the host.
void* NoSymbol(void*, const char*) { return nullptr; }
void* NoVersionedSymbol(void*, const char*, const char*) { return nullptr; }
void* NoObject(const char*, int) { return nullptr; }

template <typename Pointer>
void FindOne(const char* name, Pointer none, Pointer* pointer) {
  // libdl.so.2 held them before glibc 2.34.
  static constexpr const char* kLibraries[] = {"libc.so.6", "libdl.so.2", nullptr};
  const auto found = reinterpret_cast<Pointer>(FindLoadedFunction(kLibraries, name));
  std::atomic_ref<Pointer>(*pointer).store(found != nullptr ? found : none,
                                           std::memory_order_release);
}

}  // namespace

void Find() {
  if (std::atomic_ref(pqleash_real_dlopen).load(std::memory_order_acquire) != nullptr) return;
  FindOne<PqleashDlsym>("dlsym", NoSymbol, &pqleash_real_dlsym);
  FindOne<PqleashDlvsym>("dlvsym", NoVersionedSymbol, &pqleash_real_dlvsym);
  FindOne<PqleashDlopen>("dlopen", NoObject,
                         &pqleash_real_dlopen);  // last: it says that the others are there
}

void* LookUp(void* handle, const char* name) {
  Find();
  // Kept from becoming a jump: the return address in our own code is what RTLD_NEXT goes by.
  void* result = pqleash_real_dlsym(handle, name);
  asm volatile("" ::: "memory");
  return result;
}

}  // namespace pqleash::linker
