// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SYMBOLS_INLINED_FRAMES_H_
#define PQLEASH_REPORTER_SYMBOLS_INLINED_FRAMES_H_

#include <elfutils/libdw.h>

#include <map>
#include <vector>

#include "reporter/symbols/function_index.h"
#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

// The functions of one module that were inlined. Keeps what it has read of the units. Not
// thread-safe.
class InlinedFrames {
 public:
  // The functions whose code lies at `address` of the debug information, innermost first, the one
  // that was not inlined last. `innermost` gives file, line and column of the address; `unit` is
  // the compilation unit that it belongs to. All calls are about one module.
  std::vector<SourceFrame> At(Dwarf_Die* unit, Dwarf_Addr address, const SourceFrame& innermost);

 private:
  std::map<Dwarf_Off, FunctionIndex> units_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SYMBOLS_INLINED_FRAMES_H_
