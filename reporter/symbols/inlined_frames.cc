// SPDX-License-Identifier: Apache-2.0

#include "reporter/symbols/inlined_frames.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "reporter/symbols/demangle.h"

namespace pqleash::reporter {
namespace {

using Scopes = std::unique_ptr<Dwarf_Die, decltype(&std::free)>;

std::string String(Dwarf_Die* die, unsigned int name) {
  Dwarf_Attribute attribute;
  if (dwarf_attr_integrate(die, name, &attribute) == nullptr) return {};
  const char* text = dwarf_formstring(&attribute);
  return text == nullptr ? std::string() : std::string(text);
}

uint32_t Number(Dwarf_Die* die, unsigned int name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_attr(die, name, &attribute) == nullptr || dwarf_formudata(&attribute, &value) != 0) {
    return 0;
  }
  return static_cast<uint32_t>(value);
}

// The die that names the function: where a concrete or inlined one points to.
Dwarf_Die Declaration(Dwarf_Die die) {
  for (int depth = 0; depth < 8; ++depth) {
    Dwarf_Attribute attribute;
    Dwarf_Die origin;
    if (dwarf_attr(&die, DW_AT_abstract_origin, &attribute) == nullptr &&
        dwarf_attr(&die, DW_AT_specification, &attribute) == nullptr) {
      break;
    }
    if (dwarf_formref_die(&attribute, &origin) == nullptr) break;
    die = origin;
  }
  return die;
}

// Name with the namespaces and classes around it, for languages whose linker names cannot be
// demangled.
std::string QualifiedName(Dwarf_Die* die) {
  Dwarf_Die declaration = Declaration(*die);
  std::string name = String(&declaration, DW_AT_name);
  if (name.empty()) return name;
  Dwarf_Die* found = nullptr;
  const int count = dwarf_getscopes_die(&declaration, &found);
  const Scopes scopes(found, &std::free);
  for (int i = 1; i < count; ++i) {
    switch (dwarf_tag(&found[i])) {
      case DW_TAG_namespace:
      case DW_TAG_class_type:
      case DW_TAG_structure_type: {
        const std::string outer = String(&found[i], DW_AT_name);
        if (!outer.empty()) name.insert(0, outer + "::");
        break;
      }
      default:
        break;
    }
  }
  return name;
}

std::string FunctionName(Dwarf_Die* die) {
  std::string linkage = String(die, DW_AT_linkage_name);
  if (linkage.empty()) linkage = String(die, DW_AT_MIPS_linkage_name);
  if (linkage.empty()) return QualifiedName(die);
  std::string name = Demangle(linkage);
  if (name == linkage) {
    if (std::string qualified = QualifiedName(die); !qualified.empty()) return qualified;
  }
  return name;
}

// The function and what is inlined there, innermost last: blocks of the source may nest otherwise
// than the code does, so the tree of the function's own code is followed.
std::vector<Dwarf_Die> NestingAt(Dwarf_Die function, Dwarf_Addr address) {
  std::vector<Dwarf_Die> nesting = {function};
  Dwarf_Die scope = function;
  Dwarf_Die child;
  int more = dwarf_child(&scope, &child);
  while (more == 0) {
    const int tag = dwarf_tag(&child);
    const bool inlined = tag == DW_TAG_inlined_subroutine;
    if ((inlined || tag == DW_TAG_lexical_block) && dwarf_haspc(&child, address) > 0) {
      if (inlined) nesting.push_back(child);
      scope = child;
      more = dwarf_child(&scope, &child);
    } else {
      more = dwarf_siblingof(&child, &child);
    }
  }
  return nesting;
}

}  // namespace

std::vector<SourceFrame> InlinedFrames::At(Dwarf_Die* unit, Dwarf_Addr address,
                                           const SourceFrame& innermost) {
  const auto index = units_.try_emplace(dwarf_dieoffset(unit), *unit).first;
  const std::optional<Dwarf_Die> function = index->second.At(address);
  if (!function) return {};
  std::vector<Dwarf_Die> nesting = NestingAt(*function, address);

  Dwarf_Files* files = nullptr;
  size_t file_count = 0;
  if (dwarf_getsrcfiles(unit, &files, &file_count) != 0) files = nullptr;

  std::vector<SourceFrame> frames;
  SourceFrame place = innermost;
  for (auto die = nesting.rbegin(); die != nesting.rend(); ++die) {
    SourceFrame frame = place;
    frame.function = FunctionName(&*die);
    frame.inlined = die + 1 != nesting.rend();
    frames.push_back(frame);
    if (!frame.inlined) break;
    // What follows is the function that it was inlined into, at the place of the call.
    place = {};
    const uint32_t file = Number(&*die, DW_AT_call_file);
    const char* name = files != nullptr && file < file_count
                           ? dwarf_filesrc(files, file, nullptr, nullptr)
                           : nullptr;
    if (name != nullptr) place.file = name;
    place.line = Number(&*die, DW_AT_call_line);
    place.column = Number(&*die, DW_AT_call_column);
  }
  return frames;
}

}  // namespace pqleash::reporter
