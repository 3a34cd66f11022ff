// SPDX-License-Identifier: Apache-2.0
//
// A library whose resolver of an indirect function talks to libc while the linker relocates: its
// own libc is relocated by then, a preloaded library may not be.

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

namespace {

int found = 0;

int Plain() { return found; }

}  // namespace

extern "C" {

static int (*Resolve())() {
  found = 1;
  if (getenv("PATH") != nullptr) found += 2;
  if (dlsym(RTLD_DEFAULT, "strlen") != nullptr) found += 4;
  if (getpid() > 0) found += 8;
  return Plain;
}

__attribute__((visibility("default"), ifunc("Resolve"))) int ResolvedEarly();
}
