// SPDX-License-Identifier: Apache-2.0
//
// Under which names the kernel has files mapped into this process: /proc/self/maps (proc(5)).

#ifndef PQLEASH_SHIM_STACK_MAPPED_PATHS_H_
#define PQLEASH_SHIM_STACK_MAPPED_PATHS_H_

#include <cstddef>
#include <cstdint>

namespace pqleash::stack {

struct MappedPath {
  uintptr_t address;  // in the file's mapping
  char* path;         // of `size` bytes; left as it is where the kernel has no name that fits
  size_t size;
};

// Fills in the absolute path of the file at each address; ' (deleted)' is taken off. Allocates
// nothing, keeps errno, and holds one descriptor for as long as it takes. `buffer` is for its use,
// of 4 KiB or more: a longer line is passed over.
void ReadMappedPaths(MappedPath* wanted, size_t count, char* buffer, size_t buffer_size);

// The same of text in the format of the file.
class MappedPathParser {
 public:
  MappedPathParser(MappedPath* wanted, size_t count) : wanted_(wanted), count_(count) {}

  // A line without its end.
  void TakeLine(const char* line, size_t size);

 private:
  MappedPath* wanted_;
  size_t count_;
};

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_MAPPED_PATHS_H_
