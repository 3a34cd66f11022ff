// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SYMBOLS_CODE_SEGMENT_H_
#define PQLEASH_REPORTER_SYMBOLS_CODE_SEGMENT_H_

#include <cstdint>

namespace pqleash::reporter {

// Where an ELF file's code is: its executable segment.
struct CodeSegment {
  uint64_t address = 0;  // of the ELF file
  uint64_t file_offset = 0;
  uint64_t size = 0;  // bytes
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SYMBOLS_CODE_SEGMENT_H_
