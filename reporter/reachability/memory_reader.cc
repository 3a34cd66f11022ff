// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/memory_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kPieceSize = 32 << 10;  // stays in the processor's first cache
constexpr size_t kOverlap = 7;
constexpr size_t kPagesAtOnce = 1 << 14;

constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kSwapped = uint64_t{1} << 62;

}  // namespace

MemoryReader::MemoryReader(int32_t pid) : pid_(pid), buffer_(kOverlap + kPieceSize + kPieceMargin) {
  pagemap_ = open(fmt::format("/proc/{}/pagemap", pid).c_str(), O_RDONLY | O_CLOEXEC);
}

MemoryReader::~MemoryReader() {
  if (pagemap_ >= 0) close(pagemap_);
}

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

void MemoryReader::Presence(uint64_t first, size_t count, std::vector<bool>* present) const {
  present->assign(count, true);
  if (pagemap_ < 0) return;
  std::vector<uint64_t> entries(count);
  const auto at = static_cast<off_t>(first / kPage * sizeof(uint64_t));
  const ssize_t got = pread(pagemap_, entries.data(), count * sizeof(uint64_t), at);
  for (size_t i = 0; got > 0 && i < static_cast<size_t>(got) / sizeof(uint64_t); ++i) {
    (*present)[i] = (entries[i] & (kPresent | kSwapped)) != 0;
  }
}

bool MemoryReader::IsPresent(uint64_t address) const {
  std::vector<bool> present;
  Presence(address / kPage * kPage, 1, &present);
  return present[0];
}

uint64_t MemoryReader::PresentBytes(const std::vector<AddressRange>& ranges) const {
  uint64_t bytes = 0;
  if (pagemap_ < 0) return bytes;
  std::vector<bool> present;
  for (const AddressRange& range : ranges) {
    // By what is left: an end near that of all addresses is not stepped over.
    for (uint64_t left = range.size() / kPage; left != 0;) {
      const size_t count = std::min<uint64_t>(kPagesAtOnce, left);
      Presence(range.end - left * kPage, count, &present);
      left -= count;
      bytes += kPage * static_cast<uint64_t>(std::count(present.begin(), present.end(), true));
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
  std::vector<bool> present;
  uint64_t end_of_last = 0;
  for (uint64_t first = range.begin / kPage * kPage; first < range.end;) {
    const size_t count = std::min<uint64_t>(kPagesAtOnce, (range.end - first + kPage - 1) / kPage);
    Presence(first, count, &present);
    for (size_t i = 0; i < count;) {
      size_t end = i;
      while (end < count && present[end] == present[i]) ++end;
      const AddressRange run = {std::max(range.begin, first + i * kPage),
                                std::min(range.end, first + end * kPage)};
      if (!present[i]) {
        bytes_passed_over_ += run.size();
      } else if (!ReadPieces(run, &end_of_last, look)) {
        return false;
      }
      if (refused_ != 0) return true;
      i = end;
    }
    first += count * kPage;
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
