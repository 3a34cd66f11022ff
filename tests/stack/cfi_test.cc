// SPDX-License-Identifier: Apache-2.0
//
// Call frame information by hand: what each instruction and encoding means, and that no damage to
// the bytes does more harm than a missing or a wrong rule. The bytes lie between two pages that
// cannot be read, so that one byte too far is a crash.

#include "shim/stack/cfi.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace pqleash::stack {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kPage = 4096;
constexpr uintptr_t kCode = 0x100000;  // distance of the (imaginary) code from the bytes
constexpr uintptr_t kCodeSize = 0x100;

// How the entries are written down. The defaults are those of gcc on x86-64.
struct Format {
  std::string augmentation = "zR";
  uint8_t cie_version = 1;
  uint8_t fde_encoding = 0x1b;    // pcrel | sdata4
  uint8_t table_encoding = 0x3b;  // datarel | sdata4
  uint8_t count_encoding = 0x03;  // udata4
  uint8_t ra_register = 16;
  uint8_t code_alignment = 1;
  uint8_t data_alignment = 0x78;  // sleb128 -8
};

std::string Describe(FrameRule rule) {
  const auto number = [](int64_t n) { return (n < 0 ? "" : "+") + std::to_string(n); };
  switch (rule.Kind()) {
    case RuleKind::kNone:
      return "none";
    case RuleKind::kOutermost:
      return "outermost";
    case RuleKind::kSignalFrame:
      return "signal";
    case RuleKind::kNotExpressible:
      return "not expressible";
    case RuleKind::kFrame:
      break;
  }
  std::string text = rule.cfa_from_fp ? "fp" : "sp";
  text += number(rule.cfa_words * 8);
  if (rule.cfa_is_stored) text = "*(" + text + ")";
  text += rule.ra_in_register ? " ra=lr" : " ra" + number(rule.ra_words * 8);
  switch (rule.Fp()) {
    case FpRule::kUnchanged:
      return text + " fp";
    case FpRule::kAtCfa:
      return text + " fp" + number(rule.fp_words * 8);
    case FpRule::kAtFp:
      return text + " fp@fp" + number(rule.fp_words * 8);
    case FpRule::kLost:
      return text + " fp lost";
  }
  return text;
}

// A .eh_frame_hdr, two CIEs and three FDEs, the second of which holds the instructions under test.
class Section {
 public:
  Section() {
    const auto prot = PROT_READ | PROT_WRITE;
    map_ = static_cast<uint8_t*>(
        mmap(nullptr, 4 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(map_ + kPage, 2 * kPage, prot);
  }
  ~Section() { munmap(map_, 4 * kPage); }
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

  // Writes the section so that it ends where the readable pages do.
  void Write(const Format& format, const Bytes& cie, const Bytes& fde) {
    begin_ = map_ + 2 * kPage;
    Compose(format, cie, fde);  // only to learn the size
    begin_ = map_ + 3 * kPage - bytes_.size();
    Compose(format, cie, fde);
    std::memcpy(begin_, bytes_.data(), bytes_.size());
  }

  uintptr_t Code() const { return reinterpret_cast<uintptr_t>(begin_) + kCode; }
  Bytes Content() const { return bytes_; }

  FrameRule Find(const Architecture& architecture, uintptr_t pc) const {
    return Find(architecture, pc, begin_, begin_ + bytes_.size());
  }

  FrameRule Find(const Architecture& architecture, uintptr_t pc, const uint8_t* begin,
                 const uint8_t* end) const {
    Image image = {};
    image.eh_frame_hdr = begin;
    image.segments[0] = {begin, end};
    image.segment_count = 1;
    return FindRule(image, architecture, pc);
  }

  uint8_t* begin() { return begin_; }
  size_t size() const { return bytes_.size(); }

  // Moves `content` so that its first or last byte is at the edge of the readable pages, and looks
  // up there.
  void FindInCopy(const Bytes& content, bool at_end, uintptr_t pc_offset) {
    uint8_t* place = at_end ? map_ + 3 * kPage - content.size() : map_ + kPage;
    std::copy(content.begin(), content.end(), place);
    const uintptr_t pc = reinterpret_cast<uintptr_t>(place) + kCode + pc_offset;
    Find(kX86_64, pc, place, place + content.size());
    Find(kAarch64, pc, place, place + content.size());
  }

 private:
  template <typename T>
  void Put(T value) {
    const auto* from = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof value);
  }

  void PutAll(const Bytes& bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

  void PutPointer(uint8_t encoding, uintptr_t value) {
    const uintptr_t begin = reinterpret_cast<uintptr_t>(begin_);
    if ((encoding & 0x70) == 0x10) value -= begin + bytes_.size();
    if ((encoding & 0x70) == 0x30) value -= begin;
    switch (encoding & 0x0f) {
      case 0x02:
      case 0x0a:
        return Put(static_cast<uint16_t>(value));
      case 0x03:
      case 0x0b:
        return Put(static_cast<uint32_t>(value));
      case 0x01:
        for (; value > 0x7f; value >>= 7) Put(static_cast<uint8_t>(value | 0x80));
        return Put(static_cast<uint8_t>(value));
      default:
        return Put(static_cast<uint64_t>(value));
    }
  }

  void EndEntry(size_t start) {
    while (bytes_.size() % 4 != 0) Put(uint8_t{0});
    const auto size = static_cast<uint32_t>(bytes_.size() - start - 4);
    std::memcpy(&bytes_[start], &size, 4);
  }

  void PutCie(const Format& format, const Bytes& instructions) {
    const size_t start = bytes_.size();
    Put(uint32_t{0});
    Put(uint32_t{0});
    Put(format.cie_version);
    for (char c : format.augmentation) Put(c);
    Put('\0');
    PutAll({format.code_alignment, format.data_alignment, format.ra_register});
    Bytes data;
    for (char c : format.augmentation) {
      if (c == 'R') data.push_back(format.fde_encoding);
      if (c == 'L') data.push_back(0x1b);
      if (c == 'P') data.insert(data.end(), {0x9b, 1, 2, 3, 4});
    }
    if (format.augmentation.starts_with('z')) {
      Put(static_cast<uint8_t>(data.size()));
      PutAll(data);
    }
    PutAll(instructions);
    EndEntry(start);
  }

  size_t PutFde(const Format& format, size_t cie, uintptr_t code, const Bytes& instructions) {
    const size_t start = bytes_.size();
    Put(uint32_t{0});
    Put(static_cast<uint32_t>(bytes_.size() - cie));
    PutPointer(format.fde_encoding, code);
    PutPointer(format.fde_encoding & 0x0f, kCodeSize);
    const bool has_lsda = format.augmentation.find('L') != std::string::npos;
    if (format.augmentation.starts_with('z')) Put(uint8_t{has_lsda ? uint8_t{4} : uint8_t{0}});
    if (has_lsda) Put(uint32_t{0});
    PutAll(instructions);
    EndEntry(start);
    return start;
  }

  void Compose(const Format& format, const Bytes& cie, const Bytes& fde) {
    bytes_.clear();
    PutAll({1, 0x1b, format.count_encoding, format.table_encoding});
    PutPointer(0x1b, reinterpret_cast<uintptr_t>(begin_));  // .eh_frame: nobody asks
    if (format.count_encoding != 0xff) PutPointer(format.count_encoding, 3);
    for (int i = 0; i < 3; ++i) {
      PutPointer(format.table_encoding, Code() + static_cast<uintptr_t>(i - 1) * 2 * kCodeSize);
      PutPointer(format.table_encoding,
                 reinterpret_cast<uintptr_t>(begin_) + (fdes_.empty() ? 0 : fdes_[i]));
    }
    while (bytes_.size() % 4 != 0) Put(uint8_t{0});
    fdes_.clear();
    const size_t other_cie = bytes_.size();
    PutCie(format, {0x0c, 7, 8, 0x90, 1});
    fdes_.push_back(PutFde(format, other_cie, Code() - 2 * kCodeSize, {}));
    const size_t tested_cie = bytes_.size();
    PutCie(format, cie);
    fdes_.push_back(PutFde(format, tested_cie, Code(), fde));
    fdes_.push_back(PutFde(format, tested_cie, Code() + 2 * kCodeSize, {}));
  }

  uint8_t* map_;
  uint8_t* begin_ = nullptr;
  Bytes bytes_;
  std::vector<size_t> fdes_;
};

// The initial rows of gcc: CFA = rsp + 8, return address at CFA - 8; and of aarch64: CFA = sp.
const Bytes kCieX86 = {0x0c, 7, 8, 0x90, 1};
const Bytes kCieAarch64 = {0x0c, 31, 0};

struct RowCase {
  const char* name;
  Bytes fde;
  uintptr_t pc;  // offset into the function
  const char* rule;
};

const RowCase kRowsX86[] = {
    {"initial row", {}, 0, "sp+8 ra-8 fp"},
    {"before advance_loc", {0x41, 0x0e, 16}, 0, "sp+8 ra-8 fp"},
    {"at advance_loc", {0x41, 0x0e, 16}, 1, "sp+16 ra-8 fp"},
    {"advance_loc1", {0x02, 0x20, 0x0e, 16}, 0x20, "sp+16 ra-8 fp"},
    {"before advance_loc1", {0x02, 0x20, 0x0e, 16}, 0x1f, "sp+8 ra-8 fp"},
    {"advance_loc2", {0x03, 0x80, 0x00, 0x0e, 16}, 0x80, "sp+16 ra-8 fp"},
    {"advance_loc4", {0x04, 0x80, 0, 0, 0, 0x0e, 16}, 0x80, "sp+16 ra-8 fp"},
    {"push rbp", {0x41, 0x0e, 16, 0x86, 2}, 1, "sp+16 ra-8 fp-16"},
    {"push rbp; mov", {0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6}, 4, "fp+16 ra-8 fp-16"},
    {"def_cfa", {0x0c, 6, 16}, 0, "fp+16 ra-8 fp"},
    {"def_cfa of two bytes", {0x0e, 0x80, 0x02}, 0, "sp+256 ra-8 fp"},
    {"def_cfa_sf", {0x12, 6, 0x7e}, 0, "fp+16 ra-8 fp"},
    {"def_cfa_offset_sf", {0x13, 0x7d}, 0, "sp+24 ra-8 fp"},
    {"def_cfa of another register", {0x0c, 10, 0}, 0, "not expressible"},
    {"misaligned cfa", {0x0e, 12}, 0, "not expressible"},
    {"cfa of 16 MiB less a word", {0x0e, 0xf8, 0xff, 0xff, 0x07}, 0, "sp+16777208 ra-8 fp"},
    {"cfa of 16 MiB", {0x0e, 0x80, 0x80, 0x80, 0x08}, 0, "not expressible"},
    {"offset_extended", {0x05, 6, 3}, 0, "sp+8 ra-8 fp-24"},
    {"offset_extended_sf", {0x11, 6, 0x7f}, 0, "sp+8 ra-8 fp+8"},
    {"GNU_negative_offset_extended", {0x2f, 6, 3}, 0, "sp+8 ra-8 fp+24"},
    {"restore", {0x86, 2, 0xc6}, 0, "sp+8 ra-8 fp"},
    {"restore_extended", {0x86, 2, 0x06, 6}, 0, "sp+8 ra-8 fp"},
    {"restore return address", {0x90, 5, 0xd0}, 0, "sp+8 ra-8 fp"},
    {"same_value", {0x86, 2, 0x08, 6}, 0, "sp+8 ra-8 fp"},
    {"undefined fp", {0x07, 6}, 0, "sp+8 ra-8 fp lost"},
    {"undefined ra", {0x07, 16}, 0, "outermost"},
    {"ra in a register", {0x09, 16, 2}, 0, "not expressible"},
    {"fp in a register", {0x09, 6, 2}, 0, "not expressible"},
    {"same ra", {0x08, 16}, 0, "not expressible"},
    {"other registers", {0x83, 2, 0x09, 3, 4, 0x07, 15, 0x14, 12, 1}, 0, "sp+8 ra-8 fp"},
    {"remember, restore", {0x0a, 0x0e, 64, 0x86, 2, 0x41, 0x0b, 0x41, 0x0e, 32}, 1, "sp+8 ra-8 fp"},
    {"between", {0x0a, 0x0e, 64, 0x86, 2, 0x41, 0x0b}, 0, "sp+64 ra-8 fp-16"},
    {"restore without remember", {0x0b}, 0, "none"},
    {"remember eight", {0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a}, 0, "sp+8 ra-8 fp"},
    {"remember nine", {0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a}, 0, "none"},
    {"val_offset of sp", {0x14, 7, 0}, 0, "sp+8 ra-8 fp"},
    {"another sp", {0x14, 7, 1}, 0, "not expressible"},
    {"val_offset_sf of fp", {0x15, 6, 0x7f}, 0, "not expressible"},
    {"val_expression", {0x16, 6, 2, 0x76, 0}, 0, "not expressible"},
    {"expression of fp", {0x10, 6, 2, 0x76, 0x78}, 0, "sp+8 ra-8 fp@fp-8"},
    {"expression of fp by sp", {0x10, 6, 2, 0x77, 8}, 0, "not expressible"},
    {"expression, longer", {0x10, 6, 3, 0x76, 0, 0x06}, 0, "not expressible"},
    {"expression of another", {0x10, 3, 2, 0x76, 0x78}, 0, "sp+8 ra-8 fp"},
    {"realigned", {0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0}, 0, "*(fp-8) ra-8 fp@fp+0"},
    {"cfa expression, a sum", {0x0f, 3, 0x77, 0x80, 0x01}, 0, "sp+128 ra-8 fp"},
    {"cfa expression, other", {0x0f, 4, 0x77, 8, 0x06, 0x06}, 0, "not expressible"},
    {"cfa expression, empty", {0x0f, 0}, 0, "not expressible"},
    {"cfa expression, then offset", {0x0f, 2, 0x77, 8, 0x0e, 24}, 0, "sp+24 ra-8 fp"},
    {"stored cfa, then offset", {0x0f, 3, 0x77, 8, 0x06, 0x0e, 24}, 0, "none"},
    {"GNU_args_size", {0x2e, 0x80, 0x01}, 0, "sp+8 ra-8 fp"},
    {"aarch64's own", {0x2d}, 0, "none"},
    {"unknown instruction", {0x3f}, 0, "none"},
    {"expression longer than its FDE", {0x41, 0x0f, 100}, 1, "none"},
    {"behind the function", {}, kCodeSize, "none"},
    {"last byte", {}, kCodeSize - 1, "sp+8 ra-8 fp"},
    {"before all functions", {}, 0 - 3 * kCodeSize, "none"},
    {"the function before", {}, 0 - kCodeSize - 1, "sp+8 ra-8 fp"},
    {"between functions", {}, 0 - kCodeSize, "none"},
    {"the last function", {0x0e, 64}, 2 * kCodeSize, "sp+8 ra-8 fp"},
    {"behind all functions", {}, 3 * kCodeSize, "none"},
};

TEST(CfiTest, RowsOfX86) {
  for (const RowCase& row : kRowsX86) {
    Section section;
    section.Write({}, kCieX86, row.fde);
    EXPECT_EQ(Describe(section.Find(kX86_64, section.Code() + row.pc)), row.rule) << row.name;
  }
}

TEST(CfiTest, PltStub) {
  const Bytes fde = {0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22};
  Section section;
  section.Write({}, kCieX86, fde);
  const uintptr_t stub = (section.Code() + 15) & ~uintptr_t{15};
  EXPECT_EQ(Describe(section.Find(kX86_64, stub)), "sp+8 ra-8 fp");
  EXPECT_EQ(Describe(section.Find(kX86_64, stub + 10)), "sp+8 ra-8 fp");
  EXPECT_EQ(Describe(section.Find(kX86_64, stub + 11)), "sp+16 ra-8 fp");
  EXPECT_EQ(Describe(section.Find(kX86_64, stub + 15)), "sp+16 ra-8 fp");
}

const RowCase kRowsAarch64[] = {
    {"leaf", {}, 0, "sp+0 ra=lr fp"},
    {"stp x29, x30, [sp, -32]!", {0x41, 0x0e, 32, 0x9d, 4, 0x9e, 3}, 4, "sp+32 ra-24 fp-32"},
    {"before", {0x41, 0x0e, 32, 0x9d, 4, 0x9e, 3}, 3, "sp+0 ra=lr fp"},
    {"paciasp", {0x41, 0x2d, 0x41, 0x0e, 16, 0x9d, 2, 0x9e, 1}, 8, "sp+16 ra-8 fp-16"},
    {"negate_ra_state_with_pc", {0x2c}, 0, "sp+0 ra=lr fp"},
    {"by x29", {0x0c, 29, 16, 0x9d, 2, 0x9e, 1}, 0, "fp+16 ra-8 fp-16"},
    {"undefined x30", {0x07, 30}, 0, "outermost"},
    {"x86's registers mean nothing", {0x86, 2, 0x87, 2, 0x90, 2}, 0, "sp+0 ra=lr fp"},
};

TEST(CfiTest, RowsOfAarch64) {
  Format format;
  format.ra_register = 30;
  format.code_alignment = 4;
  for (const RowCase& row : kRowsAarch64) {
    Section section;
    section.Write(format, kCieAarch64, row.fde);
    EXPECT_EQ(Describe(section.Find(kAarch64, section.Code() + row.pc)), row.rule) << row.name;
  }
}

TEST(CfiTest, FormatsOfEntries) {
  const struct {
    const char* name;
    Format format;
    const char* rule;
  } cases[] = {
      {"gcc", {}, "sp+16 ra-8 fp"},
      {"no augmentation", {.augmentation = "", .fde_encoding = 0x00}, "sp+16 ra-8 fp"},
      {"personality and LSDA", {.augmentation = "zPLR"}, "sp+16 ra-8 fp"},
      {"signal frame", {.augmentation = "zRS"}, "signal"},
      {"B key", {.augmentation = "zRB"}, "sp+16 ra-8 fp"},
      {"unknown augmentation", {.augmentation = "zRx"}, "none"},
      {"augmentation without size", {.augmentation = "R"}, "none"},
      {"version 3", {.cie_version = 3}, "sp+16 ra-8 fp"},
      {"version 2", {.cie_version = 2}, "none"},
      {"version 4", {.cie_version = 4}, "none"},
      {"another column of return addresses", {.ra_register = 30}, "not expressible"},
      {"fde absptr", {.fde_encoding = 0x00}, "sp+16 ra-8 fp"},
      {"fde udata8", {.fde_encoding = 0x04}, "sp+16 ra-8 fp"},
      {"fde pcrel sdata8", {.fde_encoding = 0x1c}, "sp+16 ra-8 fp"},
      {"fde pcrel udata4", {.fde_encoding = 0x13}, "sp+16 ra-8 fp"},
      {"fde pcrel absptr", {.fde_encoding = 0x10}, "sp+16 ra-8 fp"},
      {"fde uleb128", {.fde_encoding = 0x01}, "sp+16 ra-8 fp"},
      {"fde indirect", {.fde_encoding = 0x9b}, "none"},
      {"fde textrel", {.fde_encoding = 0x2b}, "none"},
      {"fde unknown format", {.fde_encoding = 0x15}, "none"},
      {"table datarel sdata8", {.table_encoding = 0x3c}, "sp+16 ra-8 fp"},
      {"table absptr", {.table_encoding = 0x00}, "sp+16 ra-8 fp"},
      {"table pcrel sdata4", {.table_encoding = 0x1b}, "sp+16 ra-8 fp"},
      {"table uleb128", {.table_encoding = 0x01}, "none"},
      {"table indirect", {.table_encoding = 0xbb}, "none"},
      {"count udata8", {.count_encoding = 0x04}, "sp+16 ra-8 fp"},
      {"count udata2", {.count_encoding = 0x02}, "sp+16 ra-8 fp"},
      {"no table", {.count_encoding = 0xff}, "none"},
  };
  for (const auto& test : cases) {
    Section section;
    section.Write(test.format, kCieX86, {0x41, 0x0e, 16});
    EXPECT_EQ(Describe(section.Find(kX86_64, section.Code() + 1)), test.rule) << test.name;
  }
}

// Everything that a function can have, so that damage meets every branch.
const Bytes kBusyFde = {0x41, 0x0e, 16,   0x86, 2,    0x43, 0x0d, 6,    0x0a, 0x02, 0x20,
                        0x0c, 7,    8,    0x42, 0x0b, 0x10, 6,    2,    0x76, 0,    0x0f,
                        3,    0x76, 0x78, 0x06, 0x41, 0x2e, 16,   0xc6, 0x03, 0x10, 0,
                        0x11, 6,    0x7f, 0x04, 8,    0,    0,    0};

TEST(CfiTest, EachBitFlipped) {
  Section section;
  section.Write({.augmentation = "zPLR"}, kCieX86, kBusyFde);
  const Bytes good = section.Content();
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      section.begin()[i] = static_cast<uint8_t>(good[i] ^ (1 << bit));
      for (uintptr_t pc : {0, 1, 4, 0x40, 0xff}) section.Find(kX86_64, section.Code() + pc);
    }
    section.begin()[i] = good[i];
  }
  EXPECT_EQ(Describe(section.Find(kX86_64, section.Code() + 4)), "fp+16 ra-8 fp-16");
}

TEST(CfiTest, EachPairOfBytesOverwritten) {
  Section section;
  section.Write({.augmentation = "zPLR"}, kCieX86, kBusyFde);
  const Bytes good = section.Content();
  for (size_t i = 0; i < good.size(); ++i) {
    for (size_t j = i; j < good.size(); ++j) {
      for (const uint8_t value : {0x00, 0x7f, 0x80, 0xff}) {
        section.begin()[i] = value;
        section.begin()[j] = value;
        section.Find(kX86_64, section.Code() + 0x40);
      }
      section.begin()[j] = good[j];
    }
    section.begin()[i] = good[i];
  }
  EXPECT_EQ(Describe(section.Find(kX86_64, section.Code() + 4)), "fp+16 ra-8 fp-16");
}

TEST(CfiTest, CutAtEachByte) {
  Section section;
  section.Write({}, kCieX86, kBusyFde);
  const Bytes good = section.Content();
  for (size_t size = 0; size < good.size(); ++size) {
    const Bytes head(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
    const Bytes tail(good.begin() + static_cast<ptrdiff_t>(size), good.end());
    for (uintptr_t pc : {0, 0x40}) {
      section.FindInCopy(head, true, pc);
      section.FindInCopy(tail, false, pc);
    }
  }
}

TEST(CfiTest, TruncatedSectionHasNoRule) {
  Section section;
  section.Write({}, kCieX86, {0x41, 0x0e, 16});
  for (size_t size = 0; size < 40; ++size) {  // the header and its table
    const FrameRule rule =
        section.Find(kX86_64, section.Code(), section.begin(), section.begin() + size);
    EXPECT_EQ(Describe(rule), "none") << size;
  }
}

TEST(CfiTest, SegmentsApart) {
  Section section;
  section.Write({}, kCieX86, {0x0e, 16});
  const uint8_t* middle = section.begin() + 36;
  Image image = {};
  image.eh_frame_hdr = section.begin();
  image.segments[0] = {section.begin(), middle};
  image.segment_count = 1;
  EXPECT_EQ(Describe(FindRule(image, kX86_64, section.Code())), "none");
  image.segments[1] = {middle, section.begin() + section.size()};
  image.segment_count = 2;
  EXPECT_EQ(Describe(FindRule(image, kX86_64, section.Code())), "sp+16 ra-8 fp");
}

TEST(CfiTest, EndlessInstructionsEnd) {
  Section section;
  section.Write({}, kCieX86, Bytes(8000, 0x00));  // nops: fewer than the bound
  EXPECT_EQ(Describe(section.Find(kX86_64, section.Code())), "sp+8 ra-8 fp");
}

}  // namespace
}  // namespace pqleash::stack
