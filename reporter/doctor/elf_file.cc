// SPDX-License-Identifier: Apache-2.0

#include "reporter/doctor/elf_file.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

#include <cstring>
#include <memory>

namespace pqleash::reporter {
namespace {

struct EndElf {
  void operator()(Elf* elf) const { elf_end(elf); }
};

bool HasUnwindTables(Elf* elf) {
  size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return false;
  for (size_t i = 0; i < count; ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf, static_cast<int>(i), &header) != nullptr &&
        header.p_type == PT_GNU_EH_FRAME && header.p_filesz > 0) {
      return true;
    }
  }
  return false;
}

void ReadNeeded(Elf* elf, Elf_Scn* section, const GElf_Shdr& header,
                std::vector<std::string>* needed) {
  Elf_Data* data = elf_getdata(section, nullptr);
  if (data == nullptr || header.sh_entsize == 0) return;
  const size_t count = data->d_size / header.sh_entsize;
  for (size_t i = 0; i < count; ++i) {
    GElf_Dyn entry;
    if (gelf_getdyn(data, static_cast<int>(i), &entry) == nullptr) return;
    if (entry.d_tag == DT_NULL) return;
    if (entry.d_tag != DT_NEEDED) continue;
    const char* name = elf_strptr(elf, header.sh_link, entry.d_un.d_val);
    if (name != nullptr) needed->emplace_back(name);
  }
}

void ReadSections(Elf* elf, ElfFile* file) {
  size_t names = 0;
  if (elf_getshdrstrndx(elf, &names) != 0) return;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    if (header.sh_type == SHT_DYNAMIC) ReadNeeded(elf, section, header, &file->needed);
    const char* name = elf_strptr(elf, names, header.sh_name);
    if (name == nullptr || header.sh_type == SHT_NOBITS) continue;
    file->line_numbers |=
        std::strcmp(name, ".debug_line") == 0 || std::strcmp(name, ".zdebug_line") == 0;
  }
}

}  // namespace

std::optional<ElfFile> ReadElfFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::optional<ElfFile> result;
  elf_version(EV_CURRENT);
  const std::unique_ptr<Elf, EndElf> elf(elf_begin(fd, ELF_C_READ, nullptr));
  if (elf != nullptr && elf_kind(elf.get()) == ELF_K_ELF) {
    result.emplace();
    result->unwind_tables = HasUnwindTables(elf.get());
    ReadSections(elf.get(), &*result);
    const void* id = nullptr;
    const ssize_t size = dwelf_elf_gnu_build_id(elf.get(), &id);
    for (ssize_t i = 0; i < size; ++i) {
      result->build_id += fmt::format("{:02x}", static_cast<const unsigned char*>(id)[i]);
    }
  }
  close(fd);
  return result;
}

std::string SeparateDebugFile(const std::string& build_id, const std::string& root) {
  if (build_id.size() < 3) return {};
  return fmt::format("{}/.build-id/{}/{}.debug", root, build_id.substr(0, 2), build_id.substr(2));
}

}  // namespace pqleash::reporter
