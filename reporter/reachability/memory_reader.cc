// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/memory_reader.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kPieceSize = 32 << 10;  // stays in the processor's first cache
constexpr size_t kOverlap = 7;

}  // namespace

MemoryReader::MemoryReader(int32_t pid)
    : pid_(pid), presence_(pid), buffer_(kOverlap + kPieceSize + kPieceMargin) {}

size_t MemoryReader::Read(uint64_t address, void* to, size_t size) const {
  size_t done = 0;
  while (done < size) {
    const struct iovec local = {static_cast<char*>(to) + done, size - done};
    const struct iovec remote = {reinterpret_cast<void*>(address + done), size - done};
    const ssize_t got = process_vm_readv(pid_, &local, 1, &remote, 1, 0);
    if (got < 0 && (errno == EPERM || errno == ESRCH || errno == ENOSYS)) refused_ = errno;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

uint64_t MemoryReader::PresentBytes(const std::vector<AddressRange>& ranges) const {
  uint64_t bytes = 0;
  if (!presence_.known()) return bytes;
  for (AddressRange left : ranges) {
    while (left.size() >= kPage) {
      const PagePresence::Step step = presence_.From(left);
      for (const AddressRange& run : step.runs) bytes += run.size();
      left.begin = step.walked;
    }
  }
  return bytes;
}

bool MemoryReader::ReadPieces(const AddressRange& run, uint64_t* end_of_last, const Look& look) {
  uint8_t* const data = buffer_.data() + kOverlap;
  for (uint64_t address = run.begin; address < run.end;) {
    const size_t size = std::min<uint64_t>(kPieceSize, run.end - address);
    const size_t overlap = *end_of_last == address ? kOverlap : 0;
    const size_t got = Read(address, data, size);
    if (refused_ != 0) return true;
    // A page that vanished meanwhile: what lies behind it may be there.
    if (got == 0) {
      address += std::min(kPage - address % kPage, run.end - address);
      continue;
    }
    bytes_read_ += got;
    if (!look(address - overlap, data - overlap, got + overlap)) return false;
    if (got >= kOverlap) {
      std::memcpy(buffer_.data(), data + got - kOverlap, kOverlap);
      *end_of_last = address + got;
    }
    address += got;
  }
  return true;
}

bool MemoryReader::ForEachPiece(const AddressRange& range, const Look& look) {
  uint64_t end_of_last = 0;
  AddressRange left = {range.begin / kPage * kPage, (range.end + kPage - 1) / kPage * kPage};
  while (left.begin < left.end) {
    const PagePresence::Step step = presence_.From(left);
    uint64_t read = 0;
    for (const AddressRange& pages : step.runs) {
      const AddressRange run = {std::max(range.begin, pages.begin), std::min(range.end, pages.end)};
      read += run.size();
      if (!ReadPieces(run, &end_of_last, look)) return false;
      if (refused_ != 0) return true;
    }
    bytes_passed_over_ +=
        std::min(range.end, step.walked) - std::max(range.begin, left.begin) - read;
    if (!look(std::min(range.end, step.walked), buffer_.data(), 0)) return false;
    left.begin = step.walked;
  }
  return true;
}

std::optional<uint64_t> CachedMemory::WordAt(uint64_t address) {
  const uint64_t page = address / kPage * kPage;
  if (address % kPage > kPage - sizeof(uint64_t)) return std::nullopt;  // all of ours are aligned
  if (page != last_page_ || last_ == nullptr) {
    auto [at, is_new] = pages_.try_emplace(page);
    if (is_new) {
      at->second.resize(kPage);
      if (!reader_.IsPresent(page) || reader_.Read(page, at->second.data(), kPage) != kPage) {
        at->second.clear();
      }
    }
    last_page_ = page;
    last_ = &at->second;
  }
  if (last_->empty()) return std::nullopt;
  uint64_t word = 0;
  std::memcpy(&word, last_->data() + address % kPage, sizeof word);
  return word;
}

}  // namespace pqleash::reporter
