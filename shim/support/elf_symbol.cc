// SPDX-License-Identifier: Apache-2.0

#include "shim/support/elf_symbol.h"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstring>

namespace pqleash {

namespace {

// The parts of an object's dynamic section that a look-up needs.
struct Tables {
  const uint32_t* gnu_hash = nullptr;
  const ElfW(Sym) * symbols = nullptr;
  const char* strings = nullptr;
  const ElfW(Versym) * versions = nullptr;
};

constexpr ElfW(Versym) kHiddenVersion = 0x8000;

uint32_t GnuHash(const char* name) {
  uint32_t hash = 5381;
  for (; *name != '\0'; ++name) hash = hash * 33 + static_cast<unsigned char>(*name);
  return hash;
}

Tables ReadTables(const dl_phdr_info& info) {
  Tables tables;
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    if (info.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const auto* entry =
        reinterpret_cast<const ElfW(Dyn)*>(info.dlpi_addr + info.dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      // glibc has put addresses in the place of offsets, on all machines but a few.
      const uintptr_t value = entry->d_un.d_ptr;
      const uintptr_t address = value < info.dlpi_addr ? value + info.dlpi_addr : value;
      if (entry->d_tag == DT_GNU_HASH) tables.gnu_hash = reinterpret_cast<const uint32_t*>(address);
      if (entry->d_tag == DT_SYMTAB) tables.symbols = reinterpret_cast<const ElfW(Sym)*>(address);
      if (entry->d_tag == DT_STRTAB) tables.strings = reinterpret_cast<const char*>(address);
      if (entry->d_tag == DT_VERSYM)
        tables.versions = reinterpret_cast<const ElfW(Versym)*>(address);
    }
  }
  return tables;
}

// The table: four words of header, a Bloom filter, the buckets, and the hash values in the order of
// the symbols, the last of a bucket with its lowest bit set.
const ElfW(Sym) * Find(const Tables& tables, const char* name) {
  if (tables.gnu_hash == nullptr || tables.symbols == nullptr || tables.strings == nullptr)
    return nullptr;
  const uint32_t bucket_count = tables.gnu_hash[0];
  const uint32_t first_symbol = tables.gnu_hash[1];
  const uint32_t filter_words = tables.gnu_hash[2];
  const auto* buckets =
      tables.gnu_hash + 4 + filter_words * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
  const uint32_t* values = buckets + bucket_count;
  if (bucket_count == 0) return nullptr;
  const uint32_t hash = GnuHash(name);
  uint32_t symbol = buckets[hash % bucket_count];
  if (symbol < first_symbol) return nullptr;
  for (;; ++symbol) {
    const uint32_t value = values[symbol - first_symbol];
    const ElfW(Sym)& candidate = tables.symbols[symbol];
    const bool wanted =
        (value | 1) == (hash | 1) && strcmp(tables.strings + candidate.st_name, name) == 0;
    const bool hidden =
        tables.versions != nullptr && (tables.versions[symbol] & kHiddenVersion) != 0;
    if (wanted && !hidden && candidate.st_shndx != SHN_UNDEF) return &candidate;
    if ((value & 1) != 0) return nullptr;
  }
}

struct Search {
  const char* const* libraries;
  const char* name;
  void* address;
};

int Visit(dl_phdr_info* info, size_t, void* data) {
  auto* search = static_cast<Search*>(data);
  const char* slash = strrchr(info->dlpi_name, '/');
  const char* base = slash != nullptr ? slash + 1 : info->dlpi_name;
  for (const char* const* library = search->libraries; *library != nullptr; ++library) {
    if (strcmp(base, *library) != 0) continue;
    if (const ElfW(Sym)* symbol = Find(ReadTables(*info), search->name)) {
      search->address = reinterpret_cast<void*>(info->dlpi_addr + symbol->st_value);
      return 1;
    }
  }
  return 0;
}

}  // namespace

void* FindLoadedFunction(const char* const* libraries, const char* name) {
  Search search = {libraries, name, nullptr};
  dl_iterate_phdr(Visit, &search);
  return search.address;
}

}  // namespace pqleash
