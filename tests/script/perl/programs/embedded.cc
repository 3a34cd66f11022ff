// SPDX-License-Identifier: Apache-2.0
//
// Captures before, during and after the life of a Perl that was loaded with RTLD_LOCAL. Arguments:
// the path of libperl.

#include <dlfcn.h>

#include <cstdio>

namespace {

template <typename Function>
Function Get(void* handle, const char* name) {
  void* found = dlsym(handle, name);
  if (found == nullptr) printf("no %s\n", name);
  return reinterpret_cast<Function>(found);
}

int (*capture)() = nullptr;

// An XSUB; the mark of its arguments is left behind, which nobody misses here.
void CaptureSub(void*, void*) { capture(); }

void* perl_library = nullptr;

void InitializeExtensions(void* interpreter) {
  Get<void* (*)(void*, const char*, void (*)(void*, void*), const char*)>(
      perl_library, "Perl_newXS")(interpreter, "main::probe", CaptureSub, "embedded.cc");
}

}  // namespace

int main(int count, char** arguments, char** environment) {
  capture = Get<int (*)()>(RTLD_DEFAULT, "probe_capture");
  capture();
  perl_library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (perl_library == nullptr) {
    printf("%s\n", dlerror());
    return 2;
  }
  capture();
  Get<void (*)(int*, char***, char***)>(perl_library, "Perl_sys_init3")(&count, &arguments,
                                                                        &environment);
  capture();
  void* interpreter = Get<void* (*)()>(perl_library, "perl_alloc")();
  capture();
  Get<void (*)(void*)>(perl_library, "perl_construct")(interpreter);
  capture();
  char name[] = "embedded";
  char option[] = "-e";
  char code[] = "sub outer {\n  probe();\n}\nouter();\nEND { probe() }";
  char* perl_arguments[] = {name, option, code, nullptr};
  const int parsed = Get<int (*)(void*, void (*)(void*), int, char**, char**)>(
      perl_library, "perl_parse")(interpreter, InitializeExtensions, 3, perl_arguments, nullptr);
  capture();
  const int ran = Get<int (*)(void*)>(perl_library, "perl_run")(interpreter);
  printf("parsed %d ran %d\n", parsed, ran);
  capture();
  Get<int (*)(void*)>(perl_library, "perl_destruct")(interpreter);
  capture();
  Get<void (*)(void*)>(perl_library, "perl_free")(interpreter);
  capture();
  Get<void (*)()>(perl_library, "Perl_sys_term")();
  capture();
  dlclose(perl_library);
  capture();
  return 0;
}
