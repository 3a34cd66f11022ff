// SPDX-License-Identifier: Apache-2.0
//
// A library that asks the dynamic linker as seen from itself. Built three times: link_a, link_b
// and, in a directory that only link_a's RUNPATH names, link_found.

#include <dlfcn.h>

namespace {

using Function = int (*)();

}  // namespace

// What the next library in the search order says, and one digit more. RTLD_NEXT is relative to the
// caller: if a look-up seemed to come from elsewhere, this would call itself for ever.
extern "C" __attribute__((visibility("default"))) int Chain() {
  const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "Chain"));
  return (next != nullptr ? next() * 10 : 0) + PQLEASH_LINK;
}

// Whether a library is found that only this one's RUNPATH leads to.
extern "C" __attribute__((visibility("default"))) int FindBeside() {
  void* handle = dlopen("link_found.so", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return 0;
  const bool whole =
      dlvsym(handle, "Chain", "NO_SUCH_VERSION") == nullptr && dlsym(handle, "Chain") != nullptr;
  dlclose(handle);
  return whole ? 1 : 0;
}
