// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_STACK_SCRIPT_PYTHON_TEXT_H_
#define PQLEASH_SHIM_STACK_SCRIPT_PYTHON_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shim/ledger/layout.h"
#include "shim/stack/script/memory.h"
#include "shim/stack/script/python_layout.h"

namespace pqleash::stack::python {

// The bytes of a str. A file name that is not UTF-8 has its odd bytes as lone surrogates (PEP 383):
// they become those bytes again; where there are other lone surrogates, all of them are written out
// as \udc80. What is longer than a string of the ledger is cut.
class Text {
 public:
  // False: `address` is no str of the type `text_type`, or one that cannot be read.
  bool Read(BlockCache& memory, const Layout& layout, uintptr_t text_type, uintptr_t address);
  std::string_view view() const { return {bytes_, size_}; }

 private:
  bool Append(uint32_t point, bool escaped_bytes);

  size_t size_ = 0;
  char bytes_[ledger::kMaxStringSize + 1];
};

}  // namespace pqleash::stack::python

#endif  // PQLEASH_SHIM_STACK_SCRIPT_PYTHON_TEXT_H_
