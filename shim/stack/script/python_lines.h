// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_STACK_SCRIPT_PYTHON_LINES_H_
#define PQLEASH_SHIM_STACK_SCRIPT_PYTHON_LINES_H_

#include <cstddef>
#include <cstdint>

#include "shim/stack/script/memory.h"

namespace pqleash::stack::python {

// A code object's table of lines.
struct LineTable {
  int minor;           // of 3.x: how the table is written
  uintptr_t data;      // its bytes
  uint64_t size;       // bytes
  int32_t first_line;  // of the code
};

// The line of the instruction that begins `offset` bytes into the code. 0: it has none, or the
// table cannot be read, is too long to be read here or is not what it should be.
// `cache`, of `memory`, holds what is short.
uint32_t LineAt(BlockCache& cache, Memory& memory, const LineTable& table, int64_t offset);

}  // namespace pqleash::stack::python

#endif  // PQLEASH_SHIM_STACK_SCRIPT_PYTHON_LINES_H_
