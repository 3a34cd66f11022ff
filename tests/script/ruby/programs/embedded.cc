// SPDX-License-Identifier: Apache-2.0
//
// Captures before, during and after the life of a Ruby that was loaded with RTLD_LOCAL. Arguments:
// the path of libruby, and anything for a program that uses fibers.

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>

namespace {

template <typename Function>
Function Get(void* handle, const char* name) {
  void* found = dlsym(handle, name);
  if (found == nullptr) printf("no %s\n", name);
  return reinterpret_cast<Function>(found);
}

int (*capture)() = nullptr;

uintptr_t CaptureMethod(uintptr_t) {
  capture();
  return 8;
}

}  // namespace

int main(int, char** arguments) {
  capture = Get<int (*)()>(RTLD_DEFAULT, "probe_capture");
  capture();
  void* ruby = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (ruby == nullptr) {
    printf("%s\n", dlerror());
    return 2;
  }
  capture();
  Get<void (*)()>(ruby, "ruby_init")();
  capture();
  Get<void (*)(const char*, uintptr_t (*)(uintptr_t), int)>(ruby, "rb_define_global_function")(
      "probe", CaptureMethod, 0);
  int state = 0;
  Get<uintptr_t (*)(const char*, int*)>(ruby, "rb_eval_string_protect")(
      "def outer\n  probe\nend\nouter", &state);
  // With a fiber, the context of the main thread is an object of the heap, and goes with it.
  if (arguments[2] != nullptr) {
    int ignored = 0;
    Get<uintptr_t (*)(const char*, int*)>(ruby, "rb_eval_string_protect")("Fiber.new { 1 }.resume",
                                                                          &ignored);
  }
  printf("state %d\n", state);
  const int status = Get<int (*)(int)>(ruby, "ruby_cleanup")(0);
  capture();
  dlclose(ruby);
  capture();
  return status;
}
