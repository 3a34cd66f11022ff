// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/image_symbols.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace pqleash::reporter {
namespace {

constexpr size_t kMaxDynamic = 1024;
constexpr uint64_t kMaxTable = uint64_t{256} << 20;  // bytes of one table that are read
constexpr uint32_t kMaxSymbols = 4'000'000;

template <typename Record>
std::vector<Record> ReadTable(uint64_t address, uint64_t count, const ReadMemory& read) {
  std::vector<Record> records;
  if (address == 0 || count > kMaxTable / sizeof(Record)) return records;
  records.resize(count);
  const size_t got = read(address, records.data(), count * sizeof(Record));
  records.resize(got / sizeof(Record));
  return records;
}

// The entries of the dynamic section that matter here, by their tags.
class Dynamic {
 public:
  Dynamic(const ModuleImage& image, const ReadMemory& read) : image_(image) {
    Elf64_Ehdr header;
    if (read(image.range.begin, &header, sizeof header) != sizeof header) return;
    for (const auto& segment : ReadTable<Elf64_Phdr>(
             image.range.begin + header.e_phoff, std::min<uint64_t>(header.e_phnum, 128), read)) {
      if (segment.p_type != PT_DYNAMIC) continue;
      const uint64_t count = std::min<uint64_t>(segment.p_memsz / sizeof(Elf64_Dyn), kMaxDynamic);
      for (const auto& entry : ReadTable<Elf64_Dyn>(image.bias + segment.p_vaddr, count, read)) {
        if (entry.d_tag == DT_NULL) break;
        values_.emplace(entry.d_tag, entry.d_un.d_val);
      }
    }
  }

  uint64_t Value(int64_t tag) const {
    const auto found = values_.find(tag);
    return found != values_.end() ? found->second : 0;
  }

  // glibc adds the bias in memory, where it may write there.
  uint64_t Address(int64_t tag) const {
    const uint64_t value = Value(tag);
    if (value == 0 || image_.range.Contains(value)) return value;
    const uint64_t address = value + image_.bias;
    return image_.range.Contains(address) ? address : 0;
  }

 private:
  const ModuleImage& image_;
  std::map<int64_t, uint64_t> values_;
};

// The table of symbols has no length of its own: the hash table knows.
uint32_t SymbolCount(const Dynamic& dynamic, const ReadMemory& read) {
  const auto word_at = [&](uint64_t address) {
    uint32_t word = 0;
    return read(address, &word, sizeof word) == sizeof word ? word : 0;
  };
  if (const uint64_t hash = dynamic.Address(DT_HASH))
    return std::min(word_at(hash + 4), kMaxSymbols);
  const uint64_t hash = dynamic.Address(DT_GNU_HASH);
  if (hash == 0) return 0;
  const uint32_t buckets = word_at(hash);
  const uint32_t first = word_at(hash + 4);
  const uint32_t filter_words = word_at(hash + 8);
  const uint64_t table = hash + 16 + uint64_t{filter_words} * 8;
  uint32_t last = 0;
  for (const uint32_t symbol : ReadTable<uint32_t>(table, buckets, read))
    last = std::max(last, symbol);
  if (last < first) return first;
  const uint64_t chains = table + uint64_t{buckets} * 4;
  while (last < kMaxSymbols && (word_at(chains + uint64_t{last - first} * 4) & 1) == 0) ++last;
  return last + 1;
}

std::string_view NameAt(const std::vector<char>& names, uint64_t at) {
  if (at >= names.size()) return {};
  const char* begin = names.data() + at;
  const size_t length = strnlen(begin, names.size() - at);
  return at + length < names.size() ? std::string_view(begin, length) : std::string_view();
}

bool FillsInFunction(const Elf64_Rela& relocation) {
  const uint32_t type = ELF64_R_TYPE(relocation.r_info);
  return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT ||
         (type == R_X86_64_64 && relocation.r_addend == 0 &&
          ELF64_R_SYM(relocation.r_info) != STN_UNDEF);
}

bool IsDefined(const Elf64_Sym& symbol, unsigned type) {
  return symbol.st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol.st_info) == type &&
         symbol.st_value != 0;
}

void AddOnce(uint64_t address, std::vector<uint64_t>* addresses) {
  if (std::find(addresses->begin(), addresses->end(), address) == addresses->end())
    addresses->push_back(address);
}

}  // namespace

uint64_t ImageSymbols::Find(std::string_view function) const {
  const auto found = functions.find(function);
  return found != functions.end() ? found->second.front() : 0;
}

uint64_t ImageSymbols::FindVariable(std::string_view variable) const {
  const auto found = variables.find(variable);
  return found != variables.end() ? found->second : 0;
}

ImageSymbols ReadImageSymbols(const ModuleImage& image, const ReadMemory& read,
                              const std::function<bool(std::string_view)>& wanted) {
  ImageSymbols result;
  const Dynamic dynamic(image, read);
  const auto relocations_at = [&](int64_t table, int64_t size) {
    return ReadTable<Elf64_Rela>(dynamic.Address(table), dynamic.Value(size) / sizeof(Elf64_Rela),
                                 read);
  };
  auto relocations = relocations_at(DT_JMPREL, DT_PLTRELSZ);
  const auto others = relocations_at(DT_RELA, DT_RELASZ);
  relocations.insert(relocations.end(), others.begin(), others.end());
  std::erase_if(relocations,
                [](const Elf64_Rela& relocation) { return !FillsInFunction(relocation); });
  // A hash table leaves out what is only needed, at the begin of the symbols.
  uint32_t count = SymbolCount(dynamic, read);
  for (const Elf64_Rela& relocation : relocations)
    count = std::max<uint32_t>(count, ELF64_R_SYM(relocation.r_info) + 1);
  const auto symbols =
      ReadTable<Elf64_Sym>(dynamic.Address(DT_SYMTAB), std::min(count, kMaxSymbols), read);
  const auto names = ReadTable<char>(dynamic.Address(DT_STRTAB), dynamic.Value(DT_STRSZ), read);
  std::vector<bool> matters(symbols.size());
  for (size_t i = 0; i < symbols.size(); ++i) {
    const Elf64_Sym& symbol = symbols[i];
    const std::string_view name = NameAt(names, symbol.st_name);
    matters[i] = !name.empty() && wanted(name);
    if (matters[i] && IsDefined(symbol, STT_OBJECT))
      result.variables.emplace(name, image.bias + symbol.st_value);
    if (matters[i] && IsDefined(symbol, STT_FUNC))
      AddOnce(image.bias + symbol.st_value, &result.functions[std::string(name)]);
  }
  for (const Elf64_Rela& relocation : relocations) {
    const uint32_t symbol = ELF64_R_SYM(relocation.r_info);
    const uint64_t address = image.bias + relocation.r_offset;
    if (symbol >= matters.size() || !matters[symbol] || address % 8 != 0 ||
        !image.range.Contains(address))
      continue;
    result.slots.push_back({address, std::string(NameAt(names, symbols[symbol].st_name))});
  }
  return result;
}

}  // namespace pqleash::reporter
