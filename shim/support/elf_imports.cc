// SPDX-License-Identifier: Apache-2.0

#include "shim/support/elf_imports.h"

#include <elf.h>

#include <cstdint>

#include "shim/support/plain_text.h"

namespace pqleash {

namespace {

struct Symbols {
  const ElfW(Sym) * table = nullptr;
  const char* strings = nullptr;
  size_t imported = 0;  // number of undefined symbols, which come first in the table
  size_t all = 0;
};

// glibc has replaced the offsets in the section by addresses, except on a few machines.
uintptr_t AddressOf(uintptr_t value, uintptr_t bias) { return value < bias ? value + bias : value; }

// Counts the symbols of a GNU hash table. The table has four header words; a Bloom filter of that
// many words of an address's size; the buckets, with the number of the first symbol of each; and
// one word per symbol that has a hash. The lowest bit of that word marks the last symbol of a
// bucket.
size_t CountSymbols(const uint32_t* hash) {
  const uint32_t buckets = hash[0];
  const uint32_t first_symbol = hash[1];
  const uint32_t* bucket = hash + 4 + hash[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
  const uint32_t* chain = bucket + buckets;
  uint32_t last = 0;
  for (uint32_t i = 0; i < buckets; ++i) last = bucket[i] > last ? bucket[i] : last;
  if (last < first_symbol) return first_symbol;
  while ((chain[last - first_symbol] & 1) == 0) ++last;
  return last + 1;
}

Symbols ReadSymbols(const ElfW(Dyn) * entry, uintptr_t bias) {
  Symbols symbols;
  for (; entry->d_tag != DT_NULL; ++entry) {
    const uintptr_t address = AddressOf(entry->d_un.d_ptr, bias);
    if (entry->d_tag == DT_SYMTAB) symbols.table = reinterpret_cast<const ElfW(Sym)*>(address);
    if (entry->d_tag == DT_STRTAB) symbols.strings = reinterpret_cast<const char*>(address);
    const auto* words = reinterpret_cast<const uint32_t*>(address);
    if (entry->d_tag == DT_GNU_HASH) {
      symbols.imported = words[1];
      symbols.all = CountSymbols(words);
    }
    if (entry->d_tag == DT_HASH && symbols.all == 0) symbols.imported = symbols.all = words[1];
  }
  return symbols;
}

Symbols SymbolsOf(const ElfW(Phdr) * headers, size_t count) {
  uintptr_t bias = 0;
  const ElfW(Phdr)* dynamic = nullptr;
  for (size_t i = 0; i < count; ++i) {
    if (headers[i].p_type == PT_PHDR)
      bias = reinterpret_cast<uintptr_t>(headers) - headers[i].p_vaddr;
    if (headers[i].p_type == PT_DYNAMIC) dynamic = &headers[i];
  }
  if (dynamic == nullptr) return {};
  const Symbols symbols =
      ReadSymbols(reinterpret_cast<const ElfW(Dyn)*>(bias + dynamic->p_vaddr), bias);
  return symbols.table != nullptr && symbols.strings != nullptr ? symbols : Symbols();
}

bool HasOneOf(const Symbols& symbols, size_t end, bool defined, const char* const* names) {
  for (size_t i = 1; i < end; ++i) {
    const ElfW(Sym)& symbol = symbols.table[i];
    if ((symbol.st_shndx != SHN_UNDEF) != defined) continue;
    for (const char* const* name = names; *name != nullptr; ++name) {
      if (plain::Same(symbols.strings + symbol.st_name, *name)) return true;
    }
  }
  return false;
}

}  // namespace

bool ImportsOneOf(const ElfW(Phdr) * headers, size_t count, const char* const* names) {
  const Symbols symbols = SymbolsOf(headers, count);
  return HasOneOf(symbols, symbols.imported, false, names);
}

bool ExportsOneOf(const ElfW(Phdr) * headers, size_t count, const char* const* names) {
  const Symbols symbols = SymbolsOf(headers, count);
  return HasOneOf(symbols, symbols.all, true, names);
}

}  // namespace pqleash
