// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/executable.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>

namespace pqleash::reporter {
namespace {

constexpr char kConnect[] = "PQconnectdb";

struct EndElf {
  void operator()(Elf* elf) const { elf_end(elf); }
};

std::string Interpreter(Elf* elf) {
  size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return {};
  for (size_t i = 0; i < count; ++i) {
    GElf_Phdr header;
    if (gelf_getphdr(elf, static_cast<int>(i), &header) == nullptr || header.p_type != PT_INTERP) {
      continue;
    }
    const Elf_Data* data = elf_getdata_rawchunk(elf, static_cast<int64_t>(header.p_offset),
                                                header.p_filesz, ELF_T_BYTE);
    if (data == nullptr || data->d_buf == nullptr) return "?";
    const auto* text = static_cast<const char*>(data->d_buf);
    return std::string(text, strnlen(text, data->d_size));
  }
  return {};
}

bool Defines(Elf* elf, const char* wanted) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr ||
        (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM) || header.sh_entsize == 0) {
      continue;
    }
    Elf_Data* data = elf_getdata(section, nullptr);
    if (data == nullptr) continue;
    const size_t count = data->d_size / header.sh_entsize;
    for (size_t i = 0; i < count; ++i) {
      GElf_Sym symbol;
      if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr ||
          symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0 ||
          GELF_ST_TYPE(symbol.st_info) != STT_FUNC) {
        continue;
      }
      const char* name = elf_strptr(elf, header.sh_link, symbol.st_name);
      if (name != nullptr && std::strcmp(name, wanted) == 0) return true;
    }
  }
  return false;
}

bool HasSection(Elf* elf, const char* wanted) {
  size_t names = 0;
  if (elf_getshdrstrndx(elf, &names) != 0) return false;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    const char* name = elf_strptr(elf, names, header.sh_name);
    if (name != nullptr && std::strcmp(name, wanted) == 0) return true;
  }
  return false;
}

}  // namespace

std::optional<Executable> ReadExecutable(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  std::optional<Executable> result;
  struct stat status;
  elf_version(EV_CURRENT);
  const std::unique_ptr<Elf, EndElf> elf(elf_begin(fd, ELF_C_READ, nullptr));
  if (elf != nullptr && elf_kind(elf.get()) == ELF_K_ELF && fstat(fd, &status) == 0) {
    result.emplace();
    result->interpreter = Interpreter(elf.get());
    result->contains_libpq = Defines(elf.get(), kConnect);
    result->of_go = HasSection(elf.get(), ".gopclntab") || HasSection(elf.get(), ".go.buildinfo");
    result->bits = gelf_getclass(elf.get()) == ELFCLASS32 ? 32 : 64;
    result->privileged = (status.st_mode & (S_ISUID | S_ISGID)) != 0;
  }
  close(fd);
  return result;
}

}  // namespace pqleash::reporter
