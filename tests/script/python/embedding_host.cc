// SPDX-License-Identifier: Apache-2.0
//
// A host that brings its interpreter in with RTLD_LOCAL, as Apache does with mod_wsgi, starts it,
// ends it and starts it again: embedding_host PROBE LIBPYTHON. Prints the frames that the probe
// sees in each state.

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

struct Object;
struct MethodDefinition {  // PyMethodDef
  const char* name;
  Object* (*function)(Object* self, Object* arguments);
  int flags;
  const char* documentation;
};
constexpr int kNoArguments = 0x0004;  // METH_NOARGS

void* library;
const char* (*probe_capture)(int limit);

template <typename Function>
Function Python(const char* name) {
  void* function = dlsym(library, name);
  if (function == nullptr) {
    std::fprintf(stderr, "no %s\n", name);
    std::exit(2);
  }
  return reinterpret_cast<Function>(function);
}

Object* Capture(Object*, Object*) {
  static const auto save = Python<void* (*)()>("PyEval_SaveThread");
  static const auto restore = Python<void (*)(void*)>("PyEval_RestoreThread");
  static const auto number = Python<Object* (*)(long)>("PyLong_FromLong");
  std::printf("held:\n%s", probe_capture(64));
  void* state = save();
  std::printf("released:\n%s", probe_capture(64));
  std::thread([] { std::printf("foreign thread:\n%s", probe_capture(64)); }).join();
  restore(state);
  return number(0);
}

MethodDefinition capture_definition = {"capture", Capture, kNoArguments, nullptr};

void RunProgram() {
  const auto make = Python<Object* (*)(MethodDefinition*, Object*, Object*)>("PyCFunction_NewEx");
  const auto module = Python<Object* (*)(const char*)>("PyImport_AddModule");
  const auto set = Python<int (*)(Object*, const char*, Object*)>("PyObject_SetAttrString");
  const auto run = Python<int (*)(const char*, void*)>("PyRun_SimpleStringFlags");
  set(module("__main__"), "capture", make(&capture_definition, nullptr, nullptr));
  run("def outer():\n  capture()\nouter()\n", nullptr);
}

}  // namespace

int main(int, char** arguments) {
  void* probe = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (probe == nullptr) return 2;
  probe_capture = reinterpret_cast<const char* (*)(int)>(dlsym(probe, "probe_capture"));
  std::printf("not loaded:\n%s", probe_capture(64));
  library = dlopen(arguments[2], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  std::printf("not initialised:\n%s", probe_capture(64));
  for (int round = 0; round < 3; ++round) {
    Python<void (*)(int)>("Py_InitializeEx")(0);
    RunProgram();
    std::printf("idle:\n%s", probe_capture(64));
    if (Python<int (*)()>("Py_FinalizeEx")() != 0) return 3;
    std::printf("finalised:\n%s", probe_capture(64));
  }
  return 0;
}
