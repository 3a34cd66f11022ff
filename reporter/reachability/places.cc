// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/places.h"

#include <fmt/format.h>

#include <algorithm>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kMaxAlignment = 64;
constexpr uint64_t kMaxThreadLocal = 1 << 20;  // of a module

std::string DescribeGlobal(const ModuleImage& image, uint64_t address, int32_t pid,
                           const std::string& exe, Symboliser* symboliser) {
  const std::string name(FileName(image.path));
  const ModuleFile file = {image.path, image.build_id, image.path == exe, pid};
  const std::string object = symboliser->ObjectAt(file, address - image.bias);
  if (!object.empty()) return fmt::format("global {} ({})", object, name);
  return fmt::format("global at {}+{:#x}", name, address - image.bias);
}

}  // namespace

uint64_t ThreadLocalSize(const std::vector<ModuleImage>& images) {
  uint64_t size = 0;
  for (const ModuleImage& image : images) {
    if (image.tls_size != 0) size += std::min(image.tls_size, kMaxThreadLocal) + kMaxAlignment;
  }
  return size;
}

std::string DescribeThread(const std::vector<Thread>& threads, int32_t tid) {
  const auto found = std::find_if(threads.begin(), threads.end(),
                                  [&](const Thread& thread) { return thread.tid == tid; });
  if (found == threads.end() || found->name.empty()) return fmt::format("thread {}", tid);
  return fmt::format("thread {} ({})", tid, found->name);
}

Place PlaceOf(const MemoryView& view, uint64_t address) {
  if (ImageAt(view.images, address) != nullptr) return Place::kGlobal;
  const Mapping* mapping = MappingAt(view.mappings, address);
  if (mapping == nullptr) return Place::kHeap;
  if (!IsAnonymous(*mapping)) return Place::kMapping;
  if (mapping->path.starts_with("[stack")) return Place::kStack;
  const ThreadArea* area = AreaAt(view.areas, address);
  if (area == nullptr) {
    // The first thread's storage is below its descriptor, and nothing says where it begins.
    const uint64_t size = ThreadLocalSize(view.images);
    const bool below = std::any_of(view.areas.begin(), view.areas.end(), [&](const ThreadArea& a) {
      return a.stack.end == 0 && address < a.descriptor && a.descriptor - address <= size &&
             mapping->range.Contains(a.descriptor);
    });
    return below ? Place::kThreadLocal : Place::kHeap;
  }
  const bool above = address + ThreadLocalSize(view.images) >= area->descriptor;
  return above ? Place::kThreadLocal : Place::kStack;
}

std::string DescribePlace(const MemoryView& view, uint64_t address, int32_t pid,
                          const std::string& exe, Symboliser* symboliser) {
  const ThreadArea* area = AreaAt(view.areas, address);
  const Mapping* mapping = MappingAt(view.mappings, address);
  switch (PlaceOf(view, address)) {
    case Place::kGlobal:
      return DescribeGlobal(*ImageAt(view.images, address), address, pid, exe, symboliser);
    case Place::kThreadLocal:
      if (area == nullptr) return fmt::format("TLS of {}", DescribeThread(view.threads, pid));
      if (area->tid <= 0) return fmt::format("TLS of a thread at {:#x}", address);
      return fmt::format("TLS of {}", DescribeThread(view.threads, area->tid));
    case Place::kStack:
      if (area == nullptr) return fmt::format("stack of {}", DescribeThread(view.threads, pid));
      if (area->tid <= 0) return fmt::format("stack of a thread at {:#x}", address);
      return fmt::format("stack of {}", DescribeThread(view.threads, area->tid));
    case Place::kMapping:
      return fmt::format("mapping {}+{:#x}", mapping->path,
                         address - mapping->range.begin + mapping->offset);
    case Place::kHeap:
      break;
  }
  const bool heap = mapping != nullptr && mapping->path == "[heap]";
  return fmt::format("{} at {:#x}", heap ? "heap" : "anonymous memory", address);
}

}  // namespace pqleash::reporter
