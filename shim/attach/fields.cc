// SPDX-License-Identifier: Apache-2.0

#include "shim/attach/fields.h"

#include <sys/mman.h>

#include <cstring>

namespace pqleash::attach {

namespace {

// A PGconn of libpq 12 to 18 is some 1 to 2 KiB long; functions of a longer one would read zeros.
constexpr uint32_t kBlockSize = 64 * 1024;
constexpr uint32_t kSearched = 8 * 1024;
// Upper half of a word that says where it is.
constexpr uint32_t kMark = 0x5a5a0000;

class Block {
 public:
  Block()
      : memory_(mmap(nullptr, kBlockSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                     0)) {}
  ~Block() {
    if (made()) munmap(memory_, kBlockSize);
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  bool made() const { return memory_ != MAP_FAILED; }
  PGconn* conn() const { return static_cast<PGconn*>(memory_); }
  uint32_t* At(uint32_t offset) const {
    return reinterpret_cast<uint32_t*>(static_cast<char*>(memory_) + offset);
  }
  void Clear() { memset(memory_, 0, kSearched); }
  void Mark() {
    for (uint32_t offset = 0; offset < kSearched; offset += sizeof(uint32_t))
      *At(offset) = kMark | offset;
  }

 private:
  void* memory_;
};

uint32_t OffsetIn(uint64_t answer) {
  const auto word = static_cast<uint32_t>(answer);
  const uint32_t offset = word & ~kMark;
  return (word & kMark) == kMark && offset < kSearched ? offset : kNoOffset;
}

// Of a text: the pointer's lower half is marked with where it is.
uint32_t OffsetOfText(const Block& block, char* (*get)(const PGconn*)) {
  return get != nullptr ? OffsetIn(reinterpret_cast<uintptr_t>(get(block.conn()))) : kNoOffset;
}

// What is answered while the connection is good, and depends on one word.
template <typename Get>
uint32_t OffsetByChange(Block& block, Get get) {
  constexpr uint32_t kValue = 0x12345;
  block.Clear();
  for (uint32_t offset = 0; offset < kSearched; offset += sizeof(uint32_t)) {
    *block.At(offset) = kValue;
    const bool found = static_cast<uint32_t>(get(block.conn())) == kValue;
    *block.At(offset) = 0;
    if (found) return offset;
  }
  return kNoOffset;
}

// Of the array of hosts, whose texts libpq looks into: every word of it points to a text of its
// own, which says where the word is.
class Hosts {
 public:
  Hosts(Block& conn, const libpq::Copy& copy) : conn_(conn), copy_(copy) {
    if (!records_.made() || !texts_.made()) return;
    for (uint32_t i = 0; i < kWords; ++i) {
      const auto text = reinterpret_cast<uintptr_t>(texts_.At(i * kTextSize));
      memcpy(records_.At(i * kPointer), &text, sizeof(text));
      memcpy(texts_.At(i * kTextSize), "x", 2);
    }
  }

  void Measure(Fields* fields) {
    if (!records_.made() || !texts_.made()) return;
    conn_.Clear();
    const auto records = reinterpret_cast<uintptr_t>(records_.conn());
    for (uint32_t offset = 0; offset < kSearched; offset += kPointer) {
      memcpy(conn_.At(offset), &records, sizeof(records));
      if (Position(copy_.host) != kNoOffset) {
        MeasureRecord(offset, fields);
        return;
      }
      memset(conn_.At(offset), 0, sizeof(records));
    }
  }

 private:
  static constexpr uint32_t kPointer = sizeof(void*);
  static constexpr uint32_t kTextSize = 8;
  static constexpr uint32_t kWords = kSearched / kPointer;

  // Of the word whose text libpq has given, in the records.
  uint32_t Position(char* (*get)(const PGconn*)) const {
    const auto text = reinterpret_cast<uintptr_t>(get(conn_.conn()));
    const auto begin = reinterpret_cast<uintptr_t>(texts_.conn());
    if (text < begin || text - begin >= uintptr_t{kWords} * kTextSize) return kNoOffset;
    return static_cast<uint32_t>((text - begin) / kTextSize * kPointer);
  }

  void MeasureRecord(uint32_t hosts, Fields* fields) {
    const uint32_t host = Position(copy_.host);
    const uint32_t port = Position(copy_.port);
    for (uint32_t offset = 0; offset < kSearched; offset += sizeof(uint32_t)) {
      if (offset - hosts < kPointer) continue;
      *conn_.At(offset) = 1;
      const uint32_t second = Position(copy_.host);
      *conn_.At(offset) = 0;
      if (second == host || second == kNoOffset || port == kNoOffset) continue;
      fields->hosts = hosts;
      fields->which_host = offset;
      fields->host_size = second - host;
      fields->host = host;
      fields->port = port;
      return;
    }
  }

  Block& conn_;
  const libpq::Copy& copy_;
  Block records_;
  Block texts_;
};

}  // namespace

Fields MeasureFields(const libpq::Copy& copy) noexcept {
  Fields fields;
  memset(&fields, 0xff, sizeof(fields));
  Block block;
  if (!block.made()) return fields;
  block.Mark();
  fields.status = OffsetIn(static_cast<uint32_t>(copy.status(block.conn())));
  fields.dbname = OffsetOfText(block, copy.db);
  fields.user = OffsetOfText(block, copy.user);
  // libpq 18 has another socket before it, which is -1 while it is not used.
  auto* socket = reinterpret_cast<int (*)(const PGconn*)>(copy.Real(Function::kPQsocket));
  for (int i = 0; socket != nullptr && i < 2; ++i) {
    const uint32_t offset = OffsetIn(static_cast<uint32_t>(socket(block.conn())));
    if (offset == kNoOffset) break;
    fields.socket = offset;
    *block.At(offset) = static_cast<uint32_t>(-1);
  }
  // A good connection's status is 0, and it is asked of the same way.
  fields.backend_pid = OffsetByChange(block, copy.backend_pid);
  fields.transaction = OffsetByChange(block, copy.transaction_status);
  Hosts(block, copy).Measure(&fields);
  return fields;
}

}  // namespace pqleash::attach
