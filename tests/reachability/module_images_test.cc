// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/module_images.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <link.h>
#include <unistd.h>

#include <cstring>

#include "reporter/reachability/memory_reader.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

int variable = 17;

TEST(ModuleImages, FindsThisProgram) {
  const MemoryReader reader(getpid());
  const auto images = ReadModuleImages(
      ParseMemoryMap(*ReadProcFile("/proc/self/maps", kMaxMaps)),
      [&](uint64_t address, void* to, size_t size) { return reader.Read(address, to, size); });
  const ModuleImage* image = ImageAt(images, reinterpret_cast<uint64_t>(&variable));
  ASSERT_NE(image, nullptr);
  EXPECT_EQ(image->path, *ReadLink("/proc/self/exe"));
  const struct link_map* main = nullptr;
  dl_iterate_phdr(
      [](struct dl_phdr_info* info, size_t, void* bias) {
        *static_cast<uint64_t*>(bias) = info->dlpi_addr;
        return 1;
      },
      &main);
  EXPECT_EQ(image->bias, reinterpret_cast<uint64_t>(main));
  EXPECT_EQ(image->build_id.size(), 20u);
}

// A header cut short or overwritten is no module, and nothing beyond what is there is read.
TEST(ModuleImages, StandsDamagedHeaders) {
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  header.e_phoff = sizeof header;
  Elf64_Phdr segment = {};
  segment.p_type = PT_LOAD;
  segment.p_memsz = 0x5000;
  std::vector<uint8_t> whole(sizeof header + sizeof segment);
  std::memcpy(whole.data(), &header, sizeof header);
  std::memcpy(whole.data() + sizeof header, &segment, sizeof segment);
  const auto read_of = [](const std::vector<uint8_t>& bytes) {
    return [&bytes](uint64_t address, void* to, size_t size) -> size_t {
      const uint64_t offset = address - 0x10000;
      if (offset >= bytes.size()) return 0;
      size = std::min<size_t>(size, bytes.size() - offset);
      std::memcpy(to, bytes.data() + offset, size);
      return size;
    };
  };
  ASSERT_TRUE(ReadModuleImage(0x10000, read_of(whole)));
  EXPECT_EQ(ReadModuleImage(0x10000, read_of(whole))->range, (AddressRange{0x10000, 0x15000}));
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(ReadModuleImage(0x10000, read_of(cut))) << size;
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    std::vector<uint8_t> damaged = whole;
    damaged[at] = 0xff;
    const auto image = ReadModuleImage(0x10000, read_of(damaged));
    if (image) {
      EXPECT_LE(image->range.begin, image->range.end) << at;
    }
  }
}

}  // namespace
}  // namespace pqleash::reporter
