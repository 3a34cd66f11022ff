// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SYMBOLS_SOURCE_FRAME_H_
#define PQLEASH_REPORTER_SYMBOLS_SOURCE_FRAME_H_

#include <cstdint>
#include <string>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// A frame in terms of the source. What is not known is empty or 0. Strings come from other people's
// files: escape them before showing.
struct SourceFrame {
  std::string function;
  std::string file;
  uint32_t line = 0;
  uint32_t column = 0;
  bool inlined = false;  // into the frame that follows
  std::string module;    // path; empty for scripts and for generated code
  std::string build_id;  // bytes
  uint64_t offset =
      0;  // return address minus the module's bias, or the address itself where there is no module
  Language language = Language::kNative;
  std::string
      note;  // why there is no symbol, where that is worth knowing: 'file was replaced since'
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SYMBOLS_SOURCE_FRAME_H_
