// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_TRACKER_FRAME_DESCRIPTION_H_
#define PQLEASH_SHIM_TRACKER_FRAME_DESCRIPTION_H_

#include <cstdint>
#include <string_view>

#include "shim/support/bounded_text.h"
#include "shim/tracker/process.h"

namespace pqleash::tracker {

// What the process itself can say of a frame of its ledger. Strings are as long as the process
// lives, and hold any bytes; empty: not known.
struct FrameDescription {
  ledger::Language language;
  std::string_view function;
  std::string_view file;  // of a script
  uint32_t line;
  std::string_view module;  // of native code
  uint64_t offset;          // into the module; without one the address
};

// Asks the dynamic linker for exported functions (dladdr), whose lock that takes: not for the path
// of a connect.
FrameDescription DescribeFrame(const Process& process, uint64_t frame) noexcept;

// 'function  module+0x1234', or 'function  file:line', without control characters.
void PrintFrame(const FrameDescription& frame, BoundedText* text) noexcept;

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_FRAME_DESCRIPTION_H_
