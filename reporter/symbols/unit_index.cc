// SPDX-License-Identifier: Apache-2.0

#include "reporter/symbols/unit_index.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace pqleash::reporter {
namespace {

// Calls `visit(begin, end)` for each range of addresses that `die` has.
template <typename Visit>
void ForEachRange(Dwarf_Die* die, const Visit& visit) {
  Dwarf_Addr base = 0;
  Dwarf_Addr begin = 0;
  Dwarf_Addr end = 0;
  ptrdiff_t offset = 0;
  while ((offset = dwarf_ranges(die, offset, &base, &begin, &end)) > 0) {
    if (begin < end) visit(begin, end);
  }
}

// A unit that tells no range is not known to be another's.
bool MayHave(Dwarf_Die* unit, Dwarf_Addr address) {
  bool any = false;
  bool has = false;
  ForEachRange(unit, [&](Dwarf_Addr begin, Dwarf_Addr end) {
    any = true;
    has |= address >= begin && address < end;
  });
  return has || !any;
}

}  // namespace

std::optional<Dwarf_Die> UnitIndex::At(Dwfl_Module* module, Dwarf_Addr address, Dwarf_Addr* bias) {
  // libdwfl goes by .debug_aranges, and takes an address that lies between two of its entries for
  // the unit's of the first. Go's linker writes entries for C alone, so that all of Go would be of
  // some C file.
  Dwarf_Die* unit = dwfl_module_addrdie(module, address, bias);
  if (unit != nullptr && MayHave(unit, address - *bias)) return *unit;
  if (!built_) Build(module);
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), address,
                       [](Dwarf_Addr value, const Range& range) { return value < range.begin; });
  if (after == ranges_.begin() || address >= std::prev(after)->end) return std::nullopt;
  *bias = std::prev(after)->bias;
  return std::prev(after)->unit;
}

void UnitIndex::Build(Dwfl_Module* module) {
  built_ = true;
  Dwarf_Addr bias = 0;
  Dwarf_Die* unit = nullptr;
  while ((unit = dwfl_module_nextcu(module, unit, &bias)) != nullptr) {
    ForEachRange(unit, [&](Dwarf_Addr begin, Dwarf_Addr end) {
      ranges_.push_back({begin + bias, end + bias, bias, *unit});
    });
  }
  std::stable_sort(ranges_.begin(), ranges_.end(),
                   [](const Range& a, const Range& b) { return a.begin < b.begin; });
}

}  // namespace pqleash::reporter
