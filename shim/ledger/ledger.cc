// SPDX-License-Identifier: Apache-2.0

#include "shim/ledger/ledger.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14, madvise(2)
#endif

namespace pqleash::ledger {

namespace {

constexpr uint64_t kPage = 4096;
// Pages are made in steps of this size: few system calls, little memory for a process with few
// connections.
constexpr uint64_t kStep = 16 * 1024;

constexpr uint64_t RoundUp(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

uint64_t SectionSize(const Capacities& capacities, uint32_t section) {
  return RoundUp(uint64_t{capacities[section]} * kRecordSizes[section], kPage);
}

}  // namespace

uint64_t Ledger::FileSize(const Capacities& capacities) {
  uint64_t size = kHeaderSize;
  for (uint32_t section = 0; section < kSectionCount; ++section)
    size += SectionSize(capacities, section);
  return size;
}

bool Ledger::Map(int fd, const Capacities& capacities) {
  size_ = FileSize(capacities);
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  if (fd >= 0) {
    // Growing a file beyond RLIMIT_FSIZE raises SIGXFSZ, whose default ends the host
    // (setrlimit(2)).
    rlimit file_size = {};
    if (getrlimit(RLIMIT_FSIZE, &file_size) != 0 || size_ > file_size.rlim_cur) {
      errno = EFBIG;
      return false;
    }
    if (ftruncate(fd, static_cast<off_t>(size_)) != 0) return false;
    flags = MAP_SHARED;
  }
  void* base = mmap(nullptr, size_, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (base == MAP_FAILED) return false;
  base_ = static_cast<char*>(base);

  preallocated_ = false;
  if (!Populate(0, kHeaderSize)) {
    const bool unknown_advice = errno == EINVAL;
    if (fd >= 0 && unknown_advice) errno = posix_fallocate(fd, 0, static_cast<off_t>(size_));
    preallocated_ = unknown_advice && (fd < 0 || errno == 0);
    if (!preallocated_) {
      const int error = errno;
      Unmap();
      errno = error;
      return false;
    }
  }
  uint64_t offset = kHeaderSize;
  for (uint32_t section = 0; section < kSectionCount; ++section) {
    offsets_[section] = offset;
    capacities_[section] = capacities[section];
    header().sections[section] = {offset, kRecordSizes[section], capacities[section]};
    offset += SectionSize(capacities, section);
  }
  header().file_size = size_;
  return true;
}

void Ledger::Unmap() {
  munmap(base_, size_);
  base_ = nullptr;
  for (std::atomic<uint32_t>& room : room_) room.store(0, std::memory_order_relaxed);
}

bool Ledger::Populate(uint64_t begin, uint64_t end) {
  if (madvise(base_ + begin, end - begin, MADV_POPULATE_WRITE) == 0) return true;
  if (errno == EFAULT) errno = ENOSPC;  // 'a store would have raised SIGBUS', madvise(2)
  return false;
}

bool Ledger::MakeRoom(SectionIndex section, uint32_t count) {
  if (count <= room_[section].load(std::memory_order_acquire)) return true;
  if (count > capacities_[section]) return false;
  BoundedLockHolder lock(lock_);
  if (!lock.held()) return false;
  const uint32_t have = room_[section].load(std::memory_order_relaxed);
  if (count <= have) return true;
  const uint32_t record_size = kRecordSizes[section];
  const uint64_t begin = offsets_[section] + RoundUp(uint64_t{have} * record_size, kPage);
  const uint64_t section_end =
      offsets_[section] + RoundUp(uint64_t{capacities_[section]} * record_size, kPage);
  const uint64_t end =
      std::min(section_end, offsets_[section] + RoundUp(uint64_t{count} * record_size, kStep));
  if (end > begin && !preallocated_) {
    if (may_grow_ != nullptr && !may_grow_()) return false;
    if (!Populate(begin, end)) return false;
  }
  const uint64_t records = (end - offsets_[section]) / record_size;
  room_[section].store(static_cast<uint32_t>(std::min<uint64_t>(records, capacities_[section])),
                       std::memory_order_release);
  return true;
}

void Ledger::Publish() {
  uint64_t magic;
  memcpy(&magic, kMagic, sizeof(magic));
  StoreRelease(*reinterpret_cast<uint64_t*>(header().magic), magic);
}

}  // namespace pqleash::ledger
