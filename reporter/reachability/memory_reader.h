// SPDX-License-Identifier: Apache-2.0
//
// The memory of another process, read without stopping it.

#ifndef PQLEASH_REPORTER_REACHABILITY_MEMORY_READER_H_
#define PQLEASH_REPORTER_REACHABILITY_MEMORY_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/page_presence.h"

namespace pqleash::reporter {

// Reads through process_vm_readv; which pages are there it knows from /proc/PID/pagemap. A page
// that was never touched is not read: it holds nothing, and reading would make it. Not thread-safe.
class MemoryReader {
 public:
  explicit MemoryReader(int32_t pid);
  MemoryReader(const MemoryReader&) = delete;
  MemoryReader& operator=(const MemoryReader&) = delete;

  // The number of bytes read, from the first on: less than `size` where memory ends.
  size_t Read(uint64_t address, void* to, size_t size) const;

  // Whether the page of `address` is there; true where that cannot be known.
  bool IsPresent(uint64_t address) const { return presence_.Has(address); }
  // How much of `ranges` has pages, in memory or swapped out.
  uint64_t PresentBytes(const std::vector<AddressRange>& ranges) const;

  // Calls `look` with one piece after the other of what is there in `range`: its address, its
  // bytes, and that kPieceMargin bytes behind them may be read. A piece begins with the last 7
  // bytes of the one before it where they touch, so that every word is whole in one of them. A
  // piece without bytes tells that some milliseconds went by. False: `look` did not want more.
  using Look = std::function<bool(uint64_t address, const uint8_t* data, size_t size)>;
  static constexpr size_t kPieceMargin = 64;
  bool ForEachPiece(const AddressRange& range, const Look& look);

  uint64_t bytes_read() const { return bytes_read_; }
  // Pages of shared mappings that are not in memory, or not in this process's view of it: they were
  // not read.
  uint64_t bytes_passed_over() const { return bytes_passed_over_; }

  // errno of the first read that was refused for lack of permission or since the process is gone;
  // 0: none was.
  int refused() const { return refused_; }

 private:
  bool ReadPieces(const AddressRange& run, uint64_t* end_of_last, const Look& look);

  int32_t pid_;
  PagePresence presence_;
  mutable int refused_ = 0;
  uint64_t bytes_read_ = 0;
  uint64_t bytes_passed_over_ = 0;
  std::vector<uint8_t> buffer_;
};

// Words of another process, page by page, each read once: for following pointers. What cannot be
// read is not there.
class CachedMemory {
 public:
  explicit CachedMemory(const MemoryReader& reader) : reader_(reader) {}
  std::optional<uint64_t> WordAt(uint64_t address);
  // 0 for what is not there.
  uint64_t WordOrZero(uint64_t address) { return WordAt(address).value_or(0); }
  void Forget() {
    pages_.clear();
    last_ = nullptr;
  }

 private:
  const MemoryReader& reader_;
  std::map<uint64_t, std::vector<uint8_t>> pages_;
  uint64_t last_page_ = 1;  // no page
  const std::vector<uint8_t>* last_ = nullptr;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_MEMORY_READER_H_
