// SPDX-License-Identifier: Apache-2.0

#include "shim/support/vdso.h"

#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstdint>

#include "shim/support/plain_text.h"

namespace pqleash {

namespace {

bool IsElf(const ElfW(Ehdr) & header) {
  const unsigned char* ident = header.e_ident;
  return ident[EI_MAG0] == ELFMAG0 && ident[EI_MAG1] == ELFMAG1 && ident[EI_MAG2] == ELFMAG2 &&
         ident[EI_MAG3] == ELFMAG3 && header.e_phentsize == sizeof(ElfW(Phdr));
}

// The vDSO in memory. Its addresses are those of the file, because the dynamic linker does not
// relocate it.
struct Image {
  uintptr_t bias = 0;  // to be added to its addresses
  uintptr_t size = 0;  // size of its only segment
  const ElfW(Dyn) * dynamic = nullptr;

  template <typename Part>
  const Part* At(ElfW(Addr) address) const {
    return reinterpret_cast<const Part*>(bias + address);
  }
};

Image ReadImage(const ElfW(Ehdr) & header) {
  Image image;
  const auto base = reinterpret_cast<uintptr_t>(&header);
  const auto* segments = reinterpret_cast<const ElfW(Phdr)*>(base + header.e_phoff);
  const ElfW(Phdr)* dynamic = nullptr;
  for (int i = 0; i < header.e_phnum; ++i) {
    if (segments[i].p_type == PT_DYNAMIC) dynamic = &segments[i];
    if (segments[i].p_type != PT_LOAD || image.size != 0) continue;
    image.bias = base + segments[i].p_offset - segments[i].p_vaddr;
    image.size = segments[i].p_memsz;
  }
  if (dynamic != nullptr && image.size != 0) image.dynamic = image.At<ElfW(Dyn)>(dynamic->p_vaddr);
  return image;
}

}  // namespace

void* FindVdsoFunction(const void* image_begin, const char* name) {
  if (image_begin == nullptr) return nullptr;
  const auto& header = *static_cast<const ElfW(Ehdr)*>(image_begin);
  if (!IsElf(header)) return nullptr;
  const Image image = ReadImage(header);
  if (image.dynamic == nullptr) return nullptr;
  const ElfW(Sym)* symbols = nullptr;
  const char* strings = nullptr;
  size_t strings_size = 0;
  for (const ElfW(Dyn)* entry = image.dynamic; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_SYMTAB) symbols = image.At<ElfW(Sym)>(entry->d_un.d_ptr);
    if (entry->d_tag == DT_STRTAB) strings = image.At<char>(entry->d_un.d_ptr);
    if (entry->d_tag == DT_STRSZ) strings_size = entry->d_un.d_val;
  }
  if (symbols == nullptr || strings == nullptr) return nullptr;
  // The end of the symbol table is the beginning of the names: the kernel's linker scripts put them
  // in that order (vdso-layout.lds.S of x86, vdso.lds.S of arm64). The hash tables are no help,
  // because kernels differ in which ones they have.
  const auto* end = reinterpret_cast<const ElfW(Sym)*>(strings);
  for (const ElfW(Sym)* symbol = symbols; symbol + 1 <= end; ++symbol) {
    if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC) continue;
    if (symbol->st_name >= strings_size || !plain::Same(strings + symbol->st_name, name)) continue;
    return const_cast<char*>(image.At<char>(symbol->st_value));
  }
  return nullptr;
}

}  // namespace pqleash
