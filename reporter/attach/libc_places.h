// SPDX-License-Identifier: Apache-2.0
//
// Where things lie in a process: its C library's functions, its dynamic linker, its copies of
// libpq, this library. From the process's own memory: what this tool has is another libc.

#ifndef PQLEASH_REPORTER_ATTACH_LIBC_PLACES_H_
#define PQLEASH_REPORTER_ATTACH_LIBC_PLACES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/attach/image_symbols.h"
#include "reporter/attach/remote_memory.h"
#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/module_images.h"

namespace pqleash::reporter {

// A module, with those of its dynamic symbols that matter to an attach.
struct LoadedModule {
  ModuleImage image;
  ImageSymbols symbols;
  bool is_linker = false;   // the dynamic linker
  bool is_library = false;  // libpqleash.so
  bool is_libpq = false;    // has all of libpq in it, with its functions exported
};

struct Modules {
  uint64_t debug = 0;  // address of the linker's _r_debug; 0: not known
  std::vector<Mapping> mappings;
  std::vector<LoadedModule> modules;

  const LoadedModule* Library() const;
  const LoadedModule* Linker() const;
  // In a module of libc, or of libdl before glibc 2.34; 0: none.
  uint64_t FunctionOfLibc(std::string_view function) const;
  // All versions of it.
  std::vector<uint64_t> AllOfLibc(std::string_view function) const;
};

// Whether attach changes calls of this function: libpq's of functions.def, or the linker's three.
bool IsRedirected(std::string_view function);

Modules ReadModules(int32_t pid, const RemoteMemory& memory);

// Of libc, for calls in the process.
struct LibcPlaces {
  uint64_t mmap = 0;
  uint64_t munmap = 0;
  uint64_t dlopen = 0;
  uint64_t memfd_create = 0;
  uint64_t close = 0;
  uint64_t restorer = 0;          // __restore_rt
  std::optional<int64_t> errno_;  // from the thread's pointer on
};
// Empty, or which one is missing.
std::string FindLibcPlaces(const Modules& modules, const RemoteMemory& memory, LibcPlaces* places);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_LIBC_PLACES_H_
