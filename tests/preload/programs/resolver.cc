// SPDX-License-Identifier: Apache-2.0
//
// A library that asks dlsym while it is being relocated: in the resolver of an indirect function,
// before the libraries ahead of it in the linker's list are relocated, a preloaded one among them.

#include <dlfcn.h>

namespace {

int Found() { return 1; }
int Missing() { return 0; }

}  // namespace

extern "C" {

// NOLINTNEXTLINE: named by the attribute below
__attribute__((used)) static int (*ResolveChosen())() {
  const bool found = dlsym(RTLD_DEFAULT, "getpid") != nullptr &&
                     dlsym(RTLD_DEFAULT, "PQ_nobody_has_this") == nullptr;
  return found ? Found : Missing;
}

static int Chosen() __attribute__((ifunc("ResolveChosen")));

__attribute__((visibility("default"))) int ResolvedEarly() { return Chosen(); }

}  // extern "C"
