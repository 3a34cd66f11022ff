// SPDX-License-Identifier: Apache-2.0
//
// The dynamic symbols of a module in another process: what it defines, and which words of it the
// dynamic linker fills in with the addresses of functions. Read from the image in memory: the file
// may have been replaced. Pure, but for the reading.

#ifndef PQLEASH_REPORTER_ATTACH_IMAGE_SYMBOLS_H_
#define PQLEASH_REPORTER_ATTACH_IMAGE_SYMBOLS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/reachability/module_images.h"

namespace pqleash::reporter {

// A word that holds the address of a function by name: of R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT or
// R_X86_64_64.
struct Slot {
  uint64_t address = 0;
  std::string function;
  bool operator==(const Slot&) const = default;
};

struct ImageSymbols {
  std::map<std::string, std::vector<uint64_t>, std::less<>> functions;  // each version's address
  std::vector<Slot> slots;

  std::map<std::string, uint64_t, std::less<>> variables;

  // The first definition; 0: none.
  uint64_t Find(std::string_view function) const;
  uint64_t FindVariable(std::string_view variable) const;
};

// Of the functions and variables for which `wanted` says yes. What cannot be read, or is damaged,
// is left out.
ImageSymbols ReadImageSymbols(const ModuleImage& image, const ReadMemory& read,
                              const std::function<bool(std::string_view function)>& wanted);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_IMAGE_SYMBOLS_H_
