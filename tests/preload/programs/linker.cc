// SPDX-License-Identifier: Apache-2.0
//
// Everything that the dynamic linker decides by its caller: RTLD_NEXT, RTLD_DEFAULT, RUNPATH, the
// last error. Connects once, so that the library is at work.

#include <dlfcn.h>

#include "tests/preload/programs/program.h"

using namespace program;

extern "C" int Chain();
extern "C" int FindBeside();

int main() {
  Say("chain: %d", Chain());
  Say("found beside: %d", FindBeside());
  Say("from the program itself: %d", dlopen("link_found.so", RTLD_NOW) == nullptr);
  Say("error: %s", dlerror());
  Say("unknown: %d", dlsym(RTLD_DEFAULT, "no_such_function") == nullptr);
  Say("error: %s", dlerror());
  Say("no error is left: %d", dlerror() == nullptr);
  Say("deeply bound: %d", dlopen("libm.so.6", RTLD_NOW | RTLD_DEEPBIND) != nullptr);
  Say("versioned: %d", dlvsym(RTLD_DEFAULT, "no_such_function", "GLIBC_2.2.5") == nullptr);
  PGconn* conn = PQconnectdb("");
  Say("chain: %d", Chain());
  PQfinish(conn);
}
