// SPDX-License-Identifier: Apache-2.0

#include "shim/support/link_map.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>

#include "shim/support/raw_syscall.h"

// ld.so's own variable, for debuggers. Weak: its address reads as null until this library is
// relocated.
#pragma weak _r_debug

namespace pqleash {

namespace {

// The kernel's auxiliary vector (proc(5)). It is read only if the library is called before it is
// relocated, for example by the resolver of an indirect function.
constexpr char kVector[] = "/proc/self/auxv";
constexpr uint32_t kMaxEntries = 64;

struct Vector {
  ElfW(auxv_t) entries[kMaxEntries];
  uint32_t count = 0;

  uintptr_t Find(uint64_t type) const {
    for (uint32_t i = 0; i < count; ++i) {
      if (entries[i].a_type == type) return entries[i].a_un.a_val;
    }
    return 0;
  }
};

void ReadVector(Vector* vector) {
  const long file = RawSyscall(SYS_openat, static_cast<uintptr_t>(AT_FDCWD),
                               reinterpret_cast<uintptr_t>(kVector), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  const auto fd = static_cast<uintptr_t>(file);
  const long size = RawSyscall(SYS_read, fd, reinterpret_cast<uintptr_t>(vector->entries),
                               sizeof(vector->entries));
  RawSyscall(SYS_close, fd);
  if (size > 0)
    vector->count = static_cast<uint32_t>(static_cast<size_t>(size) / sizeof(vector->entries[0]));
}

// Reads the address from the main program's dynamic section, where the linker leaves it (DT_DEBUG).
const r_debug* DebugOfMainProgram() {
  Vector vector;
  ReadVector(&vector);
  const auto* headers = reinterpret_cast<const ElfW(Phdr)*>(vector.Find(AT_PHDR));
  if (headers == nullptr) return nullptr;
  uintptr_t bias = 0;
  const ElfW(Phdr)* dynamic = nullptr;
  for (uintptr_t i = 0; i < vector.Find(AT_PHNUM); ++i) {
    if (headers[i].p_type == PT_PHDR)
      bias = reinterpret_cast<uintptr_t>(headers) - headers[i].p_vaddr;
    if (headers[i].p_type == PT_DYNAMIC) dynamic = &headers[i];
  }
  if (dynamic == nullptr) return nullptr;
  for (const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(bias + dynamic->p_vaddr);
       entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_DEBUG) return reinterpret_cast<const r_debug*>(entry->d_un.d_ptr);
  }
  return nullptr;
}

}  // namespace

const link_map* FirstLoadedObject() {
  const r_debug* debug = &_r_debug;
  // The compiler must not assume that the address is never null.
  asm("" : "+r"(debug));
  if (debug == nullptr) debug = DebugOfMainProgram();
  return debug != nullptr ? debug->r_map : nullptr;
}

}  // namespace pqleash
