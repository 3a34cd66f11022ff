// SPDX-License-Identifier: Apache-2.0

#include "shim/support/elf_symbol.h"

#include <elf.h>

#include <cstdint>

#include "shim/support/link_map.h"
#include "shim/support/plain_text.h"

namespace pqleash {

namespace {

// The parts of an object's dynamic section that a look-up needs.
struct Tables {
  const uint32_t* gnu_hash = nullptr;
  const uint32_t* hash = nullptr;
  const ElfW(Sym) * symbols = nullptr;
  const char* strings = nullptr;
  const ElfW(Versym) * versions = nullptr;
  const char* soname = nullptr;
};

constexpr ElfW(Versym) kHiddenVersion = 0x8000;
// More objects than any process loads. It bounds the walk along a list that another thread is
// changing.
constexpr uint32_t kMaxObjects = 100'000;

uint32_t GnuHash(const char* name) {
  uint32_t hash = 5381;
  for (; *name != '\0'; ++name) hash = hash * 33 + static_cast<unsigned char>(*name);
  return hash;
}

// The hash function of the System V gABI, 'Hash Table'.
uint32_t SystemVHash(const char* name) {
  uint32_t hash = 0;
  for (; *name != '\0'; ++name) {
    hash = (hash << 4) + static_cast<unsigned char>(*name);
    const uint32_t high = hash & 0xf0000000;
    hash = (hash ^ (high >> 24)) & ~high;
  }
  return hash;
}

Tables ReadTables(const ElfW(Dyn) * dynamic, ElfW(Addr) bias) {
  Tables tables;
  uintptr_t soname = 0;
  bool named = false;
  for (const ElfW(Dyn)* entry = dynamic; entry->d_tag != DT_NULL; ++entry) {
    const uintptr_t value = entry->d_un.d_ptr;
    // glibc has replaced the offsets by addresses, except on a few machines and in the vDSO.
    const uintptr_t address = value < bias ? value + bias : value;
    if (entry->d_tag == DT_GNU_HASH) tables.gnu_hash = reinterpret_cast<const uint32_t*>(address);
    if (entry->d_tag == DT_HASH) tables.hash = reinterpret_cast<const uint32_t*>(address);
    if (entry->d_tag == DT_SYMTAB) tables.symbols = reinterpret_cast<const ElfW(Sym)*>(address);
    if (entry->d_tag == DT_STRTAB) tables.strings = reinterpret_cast<const char*>(address);
    if (entry->d_tag == DT_VERSYM) tables.versions = reinterpret_cast<const ElfW(Versym)*>(address);
    if (entry->d_tag == DT_SONAME) {
      soname = value;
      named = true;
    }
  }
  if (named && tables.strings != nullptr) tables.soname = tables.strings + soname;
  return tables;
}

// Whether symbol number `symbol` is the default version of `name` and is defined in this object.
bool IsDefinition(const Tables& tables, uint32_t symbol, const char* name) {
  const ElfW(Sym)& candidate = tables.symbols[symbol];
  if (candidate.st_shndx == SHN_UNDEF) return false;
  if (tables.versions != nullptr && (tables.versions[symbol] & kHiddenVersion) != 0) return false;
  return plain::Same(tables.strings + candidate.st_name, name);
}

bool IsFunction(const ElfW(Sym) & symbol) {
  const auto type = symbol.st_info & 0xf;
  return type == STT_FUNC || type == STT_NOTYPE;
}

// The GNU hash table: four header words, a Bloom filter, the buckets, and the hash values in the
// order of the symbols. The lowest bit of a hash value marks the last symbol of a bucket.
const ElfW(Sym) * FindByGnuHash(const Tables& tables, const char* name) {
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
    if ((value | 1) == (hash | 1) && IsDefinition(tables, symbol, name))
      return &tables.symbols[symbol];
    if ((value & 1) != 0) return nullptr;
  }
}

// The System V hash table: the numbers of buckets and of chain links, the buckets, the chain.
// STN_UNDEF ends a chain.
const ElfW(Sym) * FindByHash(const Tables& tables, const char* name) {
  const uint32_t bucket_count = tables.hash[0];
  if (bucket_count == 0) return nullptr;
  const uint32_t* chain = tables.hash + 2 + bucket_count;
  uint32_t symbol = tables.hash[2 + SystemVHash(name) % bucket_count];
  for (; symbol != STN_UNDEF; symbol = chain[symbol]) {
    if (IsDefinition(tables, symbol, name)) return &tables.symbols[symbol];
  }
  return nullptr;
}

const ElfW(Sym) * FindIn(const Tables& tables, const char* name) {
  if (tables.symbols == nullptr || tables.strings == nullptr) return nullptr;
  if (tables.gnu_hash != nullptr) return FindByGnuHash(tables, name);
  return tables.hash != nullptr ? FindByHash(tables, name) : nullptr;
}

void* AddressOf(const ElfW(Sym) * symbol, ElfW(Addr) bias) {
  return symbol != nullptr && IsFunction(*symbol)
             ? reinterpret_cast<void*>(bias + symbol->st_value)  // NOLINT
             : nullptr;
}

}  // namespace

void* FindFunction(const ElfW(Dyn) * dynamic, ElfW(Addr) bias, const char* name) {
  return dynamic != nullptr ? AddressOf(FindIn(ReadTables(dynamic, bias), name), bias) : nullptr;
}

bool Defines(const ElfW(Dyn) * dynamic, ElfW(Addr) bias, const char* name) {
  return dynamic != nullptr && FindIn(ReadTables(dynamic, bias), name) != nullptr;
}

void* FindLoadedFunction(const char* library, const char* name) {
  uint32_t seen = 0;
  for (const link_map* map = FirstLoadedObject(); map != nullptr && seen < kMaxObjects;
       map = map->l_next, ++seen) {
    if (map->l_ld == nullptr) continue;
    const Tables tables = ReadTables(map->l_ld, map->l_addr);
    const bool wanted =
        (map->l_name != nullptr && plain::Same(plain::BaseName(map->l_name), library)) ||
        (tables.soname != nullptr && plain::Same(tables.soname, library));
    if (!wanted) continue;
    if (void* address = AddressOf(FindIn(tables, name), map->l_addr)) return address;
  }
  return nullptr;
}

}  // namespace pqleash
