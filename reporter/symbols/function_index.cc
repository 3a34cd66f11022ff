// SPDX-License-Identifier: Apache-2.0

#include "reporter/symbols/function_index.h"

#include <dwarf.h>

#include <algorithm>
#include <cstddef>

namespace pqleash::reporter {
namespace {

constexpr int kMaxDepth = 64;  // of a nesting that some damaged file claims

// Whether functions with code may stand inside: those of Rust and Go stand in namespaces, of
// Fortran in modules, and nested functions in functions and their blocks.
bool MayHaveFunctions(int tag) {
  switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_interface_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_subprogram:
    case DW_TAG_lexical_block:
      return true;
    default:
      return false;
  }
}

}  // namespace

FunctionIndex::FunctionIndex(Dwarf_Die unit) {
  AddFunctionsIn(&unit, 0);
  std::stable_sort(ranges_.begin(), ranges_.end(),
                   [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (const Range& range : ranges_) longest_ = std::max(longest_, range.end - range.begin);
}

void FunctionIndex::AddFunctionsIn(Dwarf_Die* die, int depth) {
  Dwarf_Die child;
  if (depth == kMaxDepth || dwarf_child(die, &child) != 0) return;
  do {
    const int tag = dwarf_tag(&child);
    if (tag == DW_TAG_subprogram) AddRangesOf(&child);
    if (MayHaveFunctions(tag)) AddFunctionsIn(&child, depth + 1);
  } while (dwarf_siblingof(&child, &child) == 0);
}

void FunctionIndex::AddRangesOf(Dwarf_Die* function) {
  Dwarf_Addr base = 0;
  Dwarf_Addr begin = 0;
  Dwarf_Addr end = 0;
  ptrdiff_t offset = 0;
  while ((offset = dwarf_ranges(function, offset, &base, &begin, &end)) > 0) {
    if (begin < end) ranges_.push_back({begin, end, *function});
  }
}

std::optional<Dwarf_Die> FunctionIndex::At(Dwarf_Addr address) const {
  auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), address,
                       [](Dwarf_Addr value, const Range& range) { return value < range.begin; });
  while (after != ranges_.begin()) {
    const Range& range = *--after;
    if (address - range.begin >= longest_) break;
    if (address < range.end) return range.function;
  }
  return std::nullopt;
}

}  // namespace pqleash::reporter
