// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SYMBOLS_INLINED_FRAMES_H_
#define PQLEASH_REPORTER_SYMBOLS_INLINED_FRAMES_H_

#include <elfutils/libdwfl.h>

#include <vector>

#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

// The functions whose code lies at `address` of the session, innermost first, the one that was not
// inlined last. `innermost` gives file, line and column of the address. Empty without debug
// information.
std::vector<SourceFrame> ExpandInlined(Dwfl_Module* module, Dwarf_Addr address,
                                       const SourceFrame& innermost);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SYMBOLS_INLINED_FRAMES_H_
