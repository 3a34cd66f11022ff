// SPDX-License-Identifier: Apache-2.0
//
// A host that ends its Python and goes on. The first argument is a libpython. Python keeps one
// connection until its shutdown; the host closes two of its own, one that it has opened before the
// shutdown, and one after it. Then 'ready', and the end when stdin ends.

#include <dlfcn.h>
#include <libpq-fe.h>

#include <cstdio>

namespace {

constexpr char kScript[] =
    "import ctypes\n"
    "pq = ctypes.CDLL('libpq.so.5')\n"
    "pq.PQconnectdb.restype = ctypes.c_void_p\n"
    "pq.PQfinish.argtypes = [ctypes.c_void_p]\n"
    "class Kept:\n"
    "    def __init__(self): self.conn = pq.PQconnectdb(b'')\n"
    "    def __del__(self, finish=pq.PQfinish): finish(self.conn)\n"
    "kept = Kept()\n";

template <typename Function>
Function Find(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

}  // namespace

int main(int argc, char** argv) {
  void* python = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : nullptr;
  if (python == nullptr) return 9;
  Find<void (*)(int)>(python, "Py_InitializeEx")(0);
  if (Find<int (*)(const char*, void*)>(python, "PyRun_SimpleStringFlags")(kScript, nullptr) != 0)
    return 8;
  PGconn* before = PQconnectdb("");
  Find<int (*)()>(python, "Py_FinalizeEx")();
  PGconn* after = PQconnectdb("");
  PQfinish(before);
  PQfinish(after);
  puts("ready");
  fflush(stdout);
  while (getchar() != EOF) {
  }
  return 0;
}
