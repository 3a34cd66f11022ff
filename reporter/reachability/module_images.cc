// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/module_images.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMaxHeaders = 128;
constexpr size_t kMaxNotes = 4096;
constexpr size_t kMaxBuildId = 32;  // as a ledger keeps

std::string BuildIdIn(const std::vector<uint8_t>& notes) {
  for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= notes.size();) {
    Elf64_Nhdr header;
    std::memcpy(&header, notes.data() + at, sizeof header);
    const size_t name = at + sizeof header;
    const uint64_t content = name + (uint64_t{header.n_namesz} + 3) / 4 * 4;
    const uint64_t end = content + header.n_descsz;
    if (end > notes.size()) return {};
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 &&
        std::memcmp(notes.data() + name, "GNU", 4) == 0) {
      return std::string(reinterpret_cast<const char*>(notes.data()) + content,
                         std::min<size_t>(header.n_descsz, kMaxBuildId));
    }
    at = (end + 3) / 4 * 4;
  }
  return {};
}

}  // namespace

std::optional<ModuleImage> ReadModuleImage(uint64_t begin, const ReadMemory& read) {
  Elf64_Ehdr header;
  if (read(begin, &header, sizeof header) != sizeof header ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
      header.e_phnum > kMaxHeaders) {
    return std::nullopt;
  }
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  const size_t size = segments.size() * sizeof(Elf64_Phdr);
  if (read(begin + header.e_phoff, segments.data(), size) != size) return std::nullopt;

  uint64_t low = UINT64_MAX;
  uint64_t high = 0;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_LOAD) continue;
    low = std::min(low, segment.p_vaddr / kPage * kPage);
    high = std::max(high, segment.p_vaddr + segment.p_memsz);
  }
  if (low >= high) return std::nullopt;
  ModuleImage image;
  image.bias = begin - low;
  image.range = {begin, begin + (high - low + kPage - 1) / kPage * kPage};
  if (image.range.end < begin) return std::nullopt;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type == PT_TLS) image.tls_size = segment.p_memsz;
    if (segment.p_type != PT_NOTE || !image.build_id.empty()) continue;
    std::vector<uint8_t> notes(std::min<uint64_t>(segment.p_memsz, kMaxNotes));
    notes.resize(read(image.bias + segment.p_vaddr, notes.data(), notes.size()));
    image.build_id = BuildIdIn(notes);
  }
  return image;
}

std::vector<ModuleImage> ReadModuleImages(const std::vector<Mapping>& mappings,
                                          const ReadMemory& read) {
  std::vector<ModuleImage> images;
  for (const Mapping& mapping : mappings) {
    if (mapping.inode == 0 || mapping.offset != 0 || !mapping.readable || mapping.shared) continue;
    if (!images.empty() && mapping.range.begin < images.back().range.end) continue;
    auto image = ReadModuleImage(mapping.range.begin, read);
    if (!image) continue;
    image->path = mapping.path;
    images.push_back(*std::move(image));
  }
  return images;
}

const ModuleImage* ImageAt(const std::vector<ModuleImage>& images, uint64_t address) {
  const size_t index = IndexAt(images, address, [](const ModuleImage& i) { return i.range; });
  return index < images.size() ? &images[index] : nullptr;
}

}  // namespace pqleash::reporter
