// SPDX-License-Identifier: Apache-2.0
//
// Which function of a compilation unit has the code at an address. libdw looks through all of the
// unit for each address; a report asks for thousands.

#ifndef PQLEASH_REPORTER_SYMBOLS_FUNCTION_INDEX_H_
#define PQLEASH_REPORTER_SYMBOLS_FUNCTION_INDEX_H_

#include <elfutils/libdw.h>

#include <optional>
#include <vector>

namespace pqleash::reporter {

// Reads the unit once. Valid as long as its debug information is. Not thread-safe, as libdw.
class FunctionIndex {
 public:
  explicit FunctionIndex(Dwarf_Die unit);

  // The function (DW_TAG_subprogram) whose own code, what was inlined into it among it, is at
  // `address` of the unit's file. Of several that claim it, the one that begins last.
  std::optional<Dwarf_Die> At(Dwarf_Addr address) const;

 private:
  struct Range {
    Dwarf_Addr begin;
    Dwarf_Addr end;
    Dwarf_Die function;
  };

  void AddFunctionsIn(Dwarf_Die* die, int depth);
  void AddRangesOf(Dwarf_Die* function);

  std::vector<Range> ranges_;  // by begin
  // The most bytes of one: no range that begins earlier than that before an address has it.
  Dwarf_Addr longest_ = 0;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SYMBOLS_FUNCTION_INDEX_H_
