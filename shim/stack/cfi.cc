// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/cfi.h"

#include <cstring>

namespace pqleash::stack {
namespace {

// Pointer encodings (LSB 10.5.1): the low four bits are the format, the next three what it is
// relative to.
constexpr uint8_t kFormatMask = 0x0f;
constexpr uint8_t kRelativeMask = 0x70;
constexpr uint8_t kPcRelative = 0x10;
constexpr uint8_t kDataRelative = 0x30;
constexpr uint8_t kIndirect = 0x80;
constexpr uint8_t kOmitted = 0xff;

// Reads on from a position, never past the end. The first read that does not fit makes it fail for
// good and return zeros, so that callers check once, at the end of a record.
class ByteReader {
 public:
  explicit ByteReader(ByteRange bytes) : at_(bytes.begin), end_(bytes.end) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return at_ == end_; }
  const uint8_t* at() const { return at_; }
  ByteRange Rest() const { return {at_, end_}; }

  template <typename T>
  T Fixed() {
    T value = 0;
    if (const uint8_t* bytes = Take(sizeof value)) std::memcpy(&value, bytes, sizeof value);
    return value;
  }

  uint64_t Uleb() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Fixed<uint8_t>();
      value |= uint64_t{byte & 0x7fu} << shift;
      if (!(byte & 0x80)) return value;
    }
    Fail();
    return 0;
  }

  int64_t Sleb() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Fixed<uint8_t>();
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte & 0x80) continue;
      if ((byte & 0x40) && shift + 7 < 64) value |= ~uint64_t{0} << (shift + 7);
      return static_cast<int64_t>(value);
    }
    Fail();
    return 0;
  }

  // An encoded pointer; `data` is what kDataRelative refers to. Indirect ones are not followed.
  uintptr_t Pointer(uint8_t encoding, uintptr_t data) {
    const uintptr_t position = reinterpret_cast<uintptr_t>(at_);
    const uintptr_t value = Number(encoding & kFormatMask);
    switch (encoding & kRelativeMask) {
      case 0:
        return value;
      case kPcRelative:
        return position + value;
      case kDataRelative:
        return data + value;
      default:
        Fail();
        return 0;
    }
  }

  // The next `size` bytes as a reader of their own.
  ByteReader Sub(uint64_t size) {
    const uint8_t* bytes = Take(size);
    return ByteReader(bytes ? ByteRange{bytes, bytes + size} : ByteRange{end_, end_});
  }

 private:
  void Fail() {
    ok_ = false;
    at_ = end_;
  }

  const uint8_t* Take(uint64_t size) {
    if (size > static_cast<uint64_t>(end_ - at_)) {
      Fail();
      return nullptr;
    }
    const uint8_t* bytes = at_;
    at_ += size;
    return bytes;
  }

  uintptr_t Number(uint8_t format) {
    switch (format) {
      case 0x00:  // absptr
      case 0x04:  // udata8
      case 0x0c:  // sdata8
        return Fixed<uint64_t>();
      case 0x01:
        return Uleb();
      case 0x02:
        return Fixed<uint16_t>();
      case 0x03:
        return Fixed<uint32_t>();
      case 0x09:
        return static_cast<uintptr_t>(Sleb());
      case 0x0a:
        return static_cast<uintptr_t>(int64_t{Fixed<int16_t>()});
      case 0x0b:
        return static_cast<uintptr_t>(int64_t{Fixed<int32_t>()});
      default:
        Fail();
        return 0;
    }
  }

  const uint8_t* at_;
  const uint8_t* end_;
  bool ok_ = true;
};

// Size of a pointer in a table that can be searched; 0: of varying size or unknown.
unsigned FixedSizeOf(uint8_t encoding) {
  switch (encoding & kFormatMask) {
    case 0x02:
    case 0x0a:
      return 2;
    case 0x03:
    case 0x0b:
      return 4;
    case 0x00:
    case 0x04:
    case 0x0c:
      return 8;
    default:
      return 0;
  }
}

// The bytes from `address` to the end of the segment that it lies in; empty: it lies in none.
ByteRange SegmentFrom(const Image& image, uintptr_t address) {
  for (int i = 0; i < image.segment_count; ++i) {
    const ByteRange& segment = image.segments[i];
    const uintptr_t begin = reinterpret_cast<uintptr_t>(segment.begin);
    const uintptr_t size = static_cast<uintptr_t>(segment.end - segment.begin);
    if (address - begin < size) return {segment.begin + (address - begin), segment.end};
  }
  return {nullptr, nullptr};
}

// Binary search in the table of .eh_frame_hdr (LSB 10.6.2): pairs of first pc and FDE, by ascending
// pc. Returns the address of the FDE whose first pc is the last one at or below `pc`; 0: none.
uintptr_t SearchTable(const Image& image, uintptr_t pc) {
  const uintptr_t header = reinterpret_cast<uintptr_t>(image.eh_frame_hdr);
  ByteReader reader(SegmentFrom(image, header));
  if (reader.Fixed<uint8_t>() != 1) return 0;  // version
  const uint8_t frame_encoding = reader.Fixed<uint8_t>();
  const uint8_t count_encoding = reader.Fixed<uint8_t>();
  const uint8_t table_encoding = reader.Fixed<uint8_t>();
  if (count_encoding == kOmitted || table_encoding == kOmitted || (table_encoding & kIndirect)) {
    return 0;
  }
  if (frame_encoding != kOmitted) reader.Pointer(frame_encoding, header);
  const uint64_t count = reader.Pointer(count_encoding, header);
  const ByteRange table = reader.Rest();
  const unsigned entry_size = 2 * FixedSizeOf(table_encoding);
  if (!reader.ok() || entry_size == 0) return 0;
  if (count > static_cast<uint64_t>(table.end - table.begin) / entry_size) return 0;

  uint64_t low = 0;  // entries below `low` begin at or below pc, those from `high` on above it
  uint64_t high = count;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    ByteReader entry({table.begin + middle * entry_size, table.end});
    if (entry.Pointer(table_encoding, header) <= pc) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return 0;
  ByteReader entry({table.begin + (low - 1) * entry_size, table.end});
  entry.Pointer(table_encoding, header);
  return entry.Pointer(table_encoding, header);
}

// What is common to the FDEs of one CIE.
struct Cie {
  uint64_t code_alignment = 0;
  int64_t data_alignment = 0;
  uint64_t return_address_register = 0;
  uint8_t pointer_encoding = 0;
  bool has_augmentation_data = false;
  bool is_signal_frame = false;
  ByteRange instructions = {};
};

// The body of the CIE or FDE at `address`, from the CIE id or pointer on. Sizes of 64 bits, which
// nobody writes into .eh_frame, are refused like the terminator.
ByteReader OpenEntry(const Image& image, uintptr_t address) {
  ByteReader reader(SegmentFrom(image, address));
  const uint32_t size = reader.Fixed<uint32_t>();
  if (size == 0 || size == 0xffffffff) return ByteReader({nullptr, nullptr});
  return reader.Sub(size);
}

bool ParseAugmentation(ByteReader& reader, const char* augmentation, Cie& cie) {
  if (*augmentation == '\0') return true;
  if (*augmentation != 'z') return false;
  cie.has_augmentation_data = true;
  ByteReader data = reader.Sub(reader.Uleb());
  for (const char* c = augmentation + 1; *c != '\0'; ++c) {
    switch (*c) {
      case 'R':
        cie.pointer_encoding = data.Fixed<uint8_t>();
        break;
      case 'P':
        data.Pointer(data.Fixed<uint8_t>() & static_cast<uint8_t>(~kIndirect), 0);
        break;
      case 'L':
        data.Fixed<uint8_t>();
        break;
      case 'S':
        cie.is_signal_frame = true;
        break;
      case 'B':  // aarch64: return addresses are signed with key B
      case 'G':  // aarch64: frames are memory-tagged
        break;
      default:
        return false;
    }
  }
  return data.ok();
}

bool ParseCie(const Image& image, uintptr_t address, Cie& cie) {
  ByteReader reader = OpenEntry(image, address);
  if (reader.Fixed<uint32_t>() != 0 || !reader.ok()) return false;
  const uint8_t version = reader.Fixed<uint8_t>();
  if (version != 1 && version != 3) return false;
  const char* augmentation = reinterpret_cast<const char*>(reader.at());
  while (reader.Fixed<uint8_t>() != 0) continue;  // reads zeros at the end
  if (!reader.ok()) return false;
  cie.code_alignment = reader.Uleb();
  cie.data_alignment = reader.Sleb();
  cie.return_address_register = version == 1 ? reader.Fixed<uint8_t>() : reader.Uleb();
  if (!ParseAugmentation(reader, augmentation, cie)) return false;
  cie.instructions = reader.Rest();
  return reader.ok() && !(cie.pointer_encoding & kIndirect);
}

// Where a row of the table (DWARF 5 section 6.4.1) finds a register of the caller.
struct Location {
  enum Kind : uint8_t { kSame, kAtCfa, kAtFp, kUndefined, kUnsupported };
  Kind kind = kSame;
  int64_t offset = 0;
};

struct Row {
  enum CfaKind : uint8_t { kNoCfa, kSum, kStoredAtSum, kUnsupportedCfa };
  CfaKind cfa_kind = kNoCfa;
  uint64_t cfa_register = 0;
  int64_t cfa_offset = 0;
  Location sp;
  Location fp;
  Location ra;
};

// Products and sums of damaged numbers wrap, as they do in the field, without being undefined.
int64_t Multiply(uint64_t a, int64_t b) {
  return static_cast<int64_t>(a * static_cast<uint64_t>(b));
}

// Executes call frame instructions until the row that covers `pc`.
class RowProgram {
 public:
  RowProgram(const Cie& cie, const Architecture& architecture, uintptr_t pc, uintptr_t begin)
      : cie_(cie), architecture_(architecture), pc_(pc), location_(begin) {}

  // False: damaged, or more than the bounds below.
  bool Run(ByteRange fde_instructions) {
    if (!Execute(ByteReader(cie_.instructions))) return false;
    initial_ = row_;
    return Execute(ByteReader(fde_instructions));
  }

  const Row& row() const { return row_; }

 private:
  // Real code nests remember_state one or two deep.
  static constexpr int kMaxRemembered = 8;
  static constexpr int kMaxInstructions = 65536;

  bool Execute(ByteReader reader) {
    for (int n = 0; n < kMaxInstructions; ++n) {
      if (reader.AtEnd()) return reader.ok();
      if (!ExecuteOne(reader) || !reader.ok()) return false;
      if (location_ > pc_) return true;
    }
    return false;
  }

  bool ExecuteOne(ByteReader& reader) {
    const uint8_t opcode = reader.Fixed<uint8_t>();
    const uint8_t operand = opcode & 0x3f;
    switch (opcode & 0xc0) {
      case 0x40:
        return Advance(operand);
      case 0x80:
        return Save(operand, Multiply(reader.Uleb(), cie_.data_alignment));
      case 0xc0:
        return Restore(operand);
      default:
        return ExecuteExtended(opcode, reader);
    }
  }

  bool ExecuteExtended(uint8_t opcode, ByteReader& reader) {
    switch (opcode) {
      case 0x00:  // nop
        return true;
      case 0x01:  // set_loc
        location_ = reader.Pointer(cie_.pointer_encoding, 0);
        return true;
      case 0x02:
        return Advance(reader.Fixed<uint8_t>());
      case 0x03:
        return Advance(reader.Fixed<uint16_t>());
      case 0x04:
        return Advance(reader.Fixed<uint32_t>());
      case 0x0a:  // remember_state
        if (remembered_count_ == kMaxRemembered) return false;
        remembered_[remembered_count_++] = row_;
        return true;
      case 0x0b:  // restore_state
        if (remembered_count_ == 0) return false;
        row_ = remembered_[--remembered_count_];
        return true;
      case 0x2c:  // AARCH64_negate_ra_state_with_pc
      case 0x2d:  // AARCH64_negate_ra_state: nothing to note, since the walk strips every address
        return architecture_.link_register;
      case 0x2e:  // GNU_args_size: of use to exceptions only
        reader.Uleb();
        return true;
      default:
        return opcode >= 0x0c && opcode <= 0x13 && opcode != 0x10 && opcode != 0x11
                   ? DefineCfa(opcode, reader)
                   : DefineRegister(opcode, reader);
    }
  }

  bool DefineCfa(uint8_t opcode, ByteReader& reader) {
    if (opcode == 0x0f) {  // def_cfa_expression
      DefineCfaByExpression(reader.Sub(reader.Uleb()));
      return true;
    }
    const bool sets_register = opcode == 0x0c || opcode == 0x0d || opcode == 0x12;
    // To change one half of register + offset there has to be such a pair.
    const bool sets_both = opcode == 0x0c || opcode == 0x12;
    if (!sets_both && row_.cfa_kind != Row::kSum) return false;
    if (sets_register) row_.cfa_register = reader.Uleb();
    if (opcode == 0x0c || opcode == 0x0e) row_.cfa_offset = static_cast<int64_t>(reader.Uleb());
    if (opcode == 0x12 || opcode == 0x13) {
      row_.cfa_offset =
          Multiply(static_cast<uint64_t>(reader.Sleb()), cie_.data_alignment);  // the _sf forms
    }
    row_.cfa_kind = Row::kSum;
    return true;
  }

  bool DefineRegister(uint8_t opcode, ByteReader& reader) {
    const uint64_t number = reader.Uleb();
    switch (opcode) {
      case 0x05:  // offset_extended
        return Save(number, Multiply(reader.Uleb(), cie_.data_alignment));
      case 0x06:  // restore_extended
        return Restore(number);
      case 0x07:  // undefined
        return Set(number, {Location::kUndefined, 0});
      case 0x08:  // same_value
        return Set(number, {Location::kSame, 0});
      case 0x09:  // register
        reader.Uleb();
        return Set(number, {Location::kUnsupported, 0});
      case 0x10:  // expression
        return Set(number, LocationOfExpression(reader.Sub(reader.Uleb())));
      case 0x11:  // offset_extended_sf
        return Save(number, Multiply(static_cast<uint64_t>(reader.Sleb()), cie_.data_alignment));
      case 0x14:  // val_offset
      case 0x15:  // val_offset_sf
        return SetToValue(number, reader.Uleb());
      case 0x16:  // val_expression
        reader.Sub(reader.Uleb());
        return Set(number, {Location::kUnsupported, 0});
      case 0x2f:  // GNU_negative_offset_extended
        return Save(number, -Multiply(reader.Uleb() & 0xffffffff, cie_.data_alignment));
      default:
        return false;
    }
  }

  bool Advance(uint64_t delta) {
    location_ += delta * cie_.code_alignment;
    return true;
  }

  Location* LocationOf(Row& row, uint64_t number) const {
    if (number == architecture_.sp) return &row.sp;
    if (number == architecture_.fp) return &row.fp;
    if (number == architecture_.ra) return &row.ra;
    return nullptr;  // the other registers play no part
  }

  bool Set(uint64_t number, Location location) {
    if (Location* slot = LocationOf(row_, number)) *slot = location;
    return true;
  }

  bool Save(uint64_t number, int64_t offset) { return Set(number, {Location::kAtCfa, offset}); }

  // The caller's SP is the CFA unless stated otherwise; to state just that is harmless.
  bool SetToValue(uint64_t number, uint64_t offset) {
    if (number == architecture_.sp && offset == 0) return Set(number, {Location::kSame, 0});
    return Set(number, {Location::kUnsupported, 0});
  }

  bool Restore(uint64_t number) {
    if (Location* slot = LocationOf(row_, number)) *slot = *LocationOf(initial_, number);
    return true;
  }

  // DW_OP_breg<FP> n, as in functions that realign their stack; nothing else.
  Location LocationOfExpression(ByteReader expression) const {
    const uint8_t opcode = expression.Fixed<uint8_t>();
    const int64_t offset = expression.Sleb();
    if (opcode != 0x70 + architecture_.fp || !expression.ok() || !expression.AtEnd()) {
      return {Location::kUnsupported, 0};
    }
    return {Location::kAtFp, offset};
  }

  // Three forms: breg n (the sum); breg n, deref (realigned stacks); and the one of PLT stubs,
  // breg<SP> 8, breg<RA> 0, lit15, and, lit<k>, ge, lit3, shl, plus: SP + 8, and 8 more in the
  // stubs' last instructions, which follow a push.
  void DefineCfaByExpression(ByteReader expression) {
    static constexpr uint8_t kPltMiddle[] = {0x00, 0x3f, 0x1a};
    static constexpr uint8_t kPltTail[] = {0x2a, 0x33, 0x24, 0x22};
    row_.cfa_kind = Row::kUnsupportedCfa;
    const uint8_t opcode = expression.Fixed<uint8_t>();
    if (opcode < 0x70 || opcode > 0x8f) return;
    row_.cfa_register = opcode - 0x70u;
    row_.cfa_offset = expression.Sleb();
    if (!expression.ok()) return;
    const ByteRange rest = expression.Rest();
    const auto size = static_cast<size_t>(rest.end - rest.begin);
    if (size == 0) {
      row_.cfa_kind = Row::kSum;
    } else if (size == 1 && rest.begin[0] == 0x06) {
      row_.cfa_kind = Row::kStoredAtSum;
    } else if (size == 9 && rest.begin[0] == 0x70 + architecture_.ra &&
               std::memcmp(rest.begin + 1, kPltMiddle, sizeof kPltMiddle) == 0 &&
               rest.begin[4] >= 0x30 && rest.begin[4] <= 0x4f &&
               std::memcmp(rest.begin + 5, kPltTail, sizeof kPltTail) == 0) {
      row_.cfa_kind = Row::kSum;
      if ((pc_ & 15) >= rest.begin[4] - 0x30u) row_.cfa_offset += 8;
    }
  }

  const Cie& cie_;
  const Architecture& architecture_;
  const uintptr_t pc_;
  uintptr_t location_;
  Row row_;
  Row initial_;
  Row remembered_[kMaxRemembered];
  int remembered_count_ = 0;
};

// `bytes` in words, if they are whole words and the words fit a field of `bits`.
bool ToWords(int64_t bytes, int bits, int64_t& words) {
  words = bytes / 8;
  const int64_t limit = int64_t{1} << (bits - 1);
  return bytes % 8 == 0 && words >= -limit && words < limit;
}

bool FpRuleOf(const Location& fp, FpRule& rule) {
  switch (fp.kind) {
    case Location::kSame:
      rule = FpRule::kUnchanged;
      return true;
    case Location::kAtCfa:
      rule = FpRule::kAtCfa;
      return true;
    case Location::kAtFp:
      rule = FpRule::kAtFp;
      return true;
    case Location::kUndefined:
      rule = FpRule::kLost;
      return true;
    default:
      return false;
  }
}

FrameRule RuleOfRow(const Row& row, const Architecture& architecture) {
  if (row.ra.kind == Location::kUndefined) return RuleOfKind(RuleKind::kOutermost);
  if (row.cfa_kind == Row::kNoCfa) return RuleOfKind(RuleKind::kNone);

  const bool cfa_fits =
      (row.cfa_kind == Row::kSum || row.cfa_kind == Row::kStoredAtSum) &&
      (row.cfa_register == architecture.sp || row.cfa_register == architecture.fp);
  const bool ra_in_register = row.ra.kind == Location::kSame && architecture.link_register;
  const bool ra_fits = row.ra.kind == Location::kAtCfa || ra_in_register;
  FpRule fp_rule = FpRule::kLost;
  int64_t cfa_words = 0;
  int64_t ra_words = 0;
  int64_t fp_words = 0;
  if (!cfa_fits || !ra_fits || row.sp.kind != Location::kSame || !FpRuleOf(row.fp, fp_rule) ||
      !ToWords(row.cfa_offset, 22, cfa_words) || !ToWords(row.ra.offset, 17, ra_words) ||
      !ToWords(row.fp.offset, 17, fp_words)) {
    return RuleOfKind(RuleKind::kNotExpressible);
  }

  FrameRule rule = RuleOfKind(RuleKind::kFrame);
  rule.fp_rule = static_cast<uint64_t>(fp_rule);
  rule.cfa_from_fp = row.cfa_register == architecture.fp;
  rule.cfa_is_stored = row.cfa_kind == Row::kStoredAtSum;
  rule.ra_in_register = ra_in_register;
  rule.cfa_words = cfa_words;
  rule.ra_words = ra_words;
  rule.fp_words = fp_words;
  return rule;
}

}  // namespace

FrameRule FindRule(const Image& image, const Architecture& architecture, uintptr_t pc) noexcept {
  const FrameRule none = RuleOfKind(RuleKind::kNone);
  const uintptr_t fde_address = SearchTable(image, pc);
  if (fde_address == 0) return none;

  ByteReader fde = OpenEntry(image, fde_address);
  const uintptr_t cie_field = reinterpret_cast<uintptr_t>(fde.at());
  const uint32_t cie_distance = fde.Fixed<uint32_t>();
  Cie cie;
  if (cie_distance == 0 || !ParseCie(image, cie_field - cie_distance, cie)) return none;
  const uintptr_t begin = fde.Pointer(cie.pointer_encoding, 0);
  const uintptr_t size = fde.Pointer(cie.pointer_encoding & kFormatMask, 0);
  if (cie.has_augmentation_data) fde.Sub(fde.Uleb());
  if (!fde.ok() || pc - begin >= size) return none;

  if (cie.is_signal_frame) return RuleOfKind(RuleKind::kSignalFrame);
  if (cie.return_address_register != architecture.ra) {
    return RuleOfKind(RuleKind::kNotExpressible);
  }
  RowProgram program(cie, architecture, pc, begin);
  if (!program.Run(fde.Rest())) return none;
  return RuleOfRow(program.row(), architecture);
}

}  // namespace pqleash::stack
