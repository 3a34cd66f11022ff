// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SYMBOLS_UNIT_INDEX_H_
#define PQLEASH_REPORTER_SYMBOLS_UNIT_INDEX_H_

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include <optional>
#include <vector>

namespace pqleash::reporter {

// Which compilation unit of a module an address belongs to. Not thread-safe.
class UnitIndex {
 public:
  // No value: none that debug information knows. `address` is one of the session's, `bias` what it
  // has more than those of the debug information.
  std::optional<Dwarf_Die> At(Dwfl_Module* module, Dwarf_Addr address, Dwarf_Addr* bias);

 private:
  struct Range {
    Dwarf_Addr begin;  // of the session
    Dwarf_Addr end;
    Dwarf_Addr bias;
    Dwarf_Die unit;
  };

  void Build(Dwfl_Module* module);

  bool built_ = false;
  std::vector<Range> ranges_;  // by `begin`
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SYMBOLS_UNIT_INDEX_H_
