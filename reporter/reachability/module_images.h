// SPDX-License-Identifier: Apache-2.0
//
// The programs and libraries in a process, as the ELF headers in its own memory have them.

#ifndef PQLEASH_REPORTER_REACHABILITY_MODULE_IMAGES_H_
#define PQLEASH_REPORTER_REACHABILITY_MODULE_IMAGES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "reporter/reachability/memory_map.h"

namespace pqleash::reporter {

struct ModuleImage {
  AddressRange range;  // of its segments, in whole pages
  uint64_t bias = 0;   // run-time address minus address in the ELF file
  uint64_t tls_size = 0;
  std::string path;
  std::string build_id;  // bytes, at most 32; empty: it has none
};

// Reads up to `size` bytes and returns how many there were.
using ReadMemory = std::function<size_t(uint64_t address, void* to, size_t size)>;

// The image whose file's begin is mapped at `begin`; no value: it is none, or damaged.
std::optional<ModuleImage> ReadModuleImage(uint64_t begin, const ReadMemory& read);

// All of them, in order of address, without overlaps.
std::vector<ModuleImage> ReadModuleImages(const std::vector<Mapping>& mappings,
                                          const ReadMemory& read);

const ModuleImage* ImageAt(const std::vector<ModuleImage>& images, uint64_t address);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_MODULE_IMAGES_H_
