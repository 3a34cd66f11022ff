// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/ledger_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "reporter/snapshot/ledger_reader.h"

namespace pqleash::reporter {
namespace {

using Kind = LedgerError::Kind;

struct ExpectedSection {
  const char* name;
  uint32_t record_size;
};
constexpr ExpectedSection kExpected[ledger::kSectionCount] = {
    {"connections", sizeof(ledger::ConnectionSlot)},
    {"call sites", sizeof(ledger::CallSite)},
    {"frames", sizeof(uint64_t)},
    {"script frames", sizeof(ledger::ScriptFrame)},
    {"modules", sizeof(ledger::Module)},
    {"targets", sizeof(ledger::Target)},
    {"strings", 1},
    {"history", sizeof(ledger::HistoryPeriod)},
    {"board", 1},
};

}  // namespace

LedgerFile::~LedgerFile() {
  if (fd_ >= 0) close(fd_);
}

LedgerError LedgerFile::Error(Kind kind, const std::string& what) const {
  return {kind, fmt::format("ledger {} {}", shown_path_, what)};
}

std::optional<LedgerError> LedgerFile::Open(int directory_fd, const std::string& path) {
  // O_NONBLOCK: whoever put a FIFO there must not make us wait.
  fd_ = openat(directory_fd, path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) {
    switch (errno) {
      case ENOENT:
      case ENOTDIR:
        return Error(Kind::kMissing, "does not exist: name a file that `pqleash ps --all` lists");
      case EACCES:
      case EPERM:
        return Error(
            Kind::kNoPermission,
            "may not be read by this user: run pqleash as the user of the process, or as root");
      case ELOOP:
        return Error(Kind::kNotALedger,
                     "is a symbolic link, and links are not followed: name the file itself");
      default:
        return Error(Kind::kReadFailed, fmt::format("cannot be opened: {}", std::strerror(errno)));
    }
  }
  struct stat status;
  if (fstat(fd_, &status) != 0) {
    return Error(Kind::kReadFailed, fmt::format("cannot be examined: {}", std::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(Kind::kNotALedger, "is not a regular file: name a file that pqleash wrote");
  }
  size_ = static_cast<uint64_t>(status.st_size);
  if (size_ > kMaxLedgerSize) {
    return Error(Kind::kTooLarge, fmt::format("has {} bytes, and at most {} are read: it was not "
                                              "written by the library of this version",
                                              size_, kMaxLedgerSize));
  }
  return std::nullopt;
}

std::optional<LedgerError> LedgerFile::Read(uint64_t offset, size_t size, void* bytes) const {
  auto* out = static_cast<char*>(bytes);
  size_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd_, out + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return Error(Kind::kReadFailed, fmt::format("cannot be read at byte {}: {}", offset + done,
                                                  std::strerror(errno)));
    }
    if (got == 0) {
      return Error(Kind::kTruncated,
                   fmt::format("ends at byte {}, expected {} bytes from {} on: it was truncated; "
                               "restart the process to get a whole one",
                               offset + done, size, offset));
    }
    done += static_cast<size_t>(got);
  }
  return std::nullopt;
}

std::optional<LedgerError> LedgerFile::ReadHeader(ledger::Header* header) const {
  // What there is of the magic decides between 'not yet', 'not ours' and 'cut off'.
  std::memset(header, 0, sizeof *header);
  const size_t available = static_cast<size_t>(std::min<uint64_t>(size_, sizeof *header));
  if (available > 0) {
    if (auto error = Read(0, available, header)) return error;
  }
  const size_t magic_size = std::min(available, sizeof header->magic);
  const char kZero[sizeof header->magic] = {};
  if (std::memcmp(header->magic, kZero, sizeof kZero) == 0) {
    return Error(
        Kind::kNotYetWritten,
        "is not written yet: its process is at its first connect, or died in it; try again");
  }
  if (std::memcmp(header->magic, ledger::kMagic, magic_size) != 0) {
    return Error(Kind::kNotALedger,
                 "does not begin with the mark of a ledger: name a file that pqleash wrote");
  }
  if (available < sizeof *header) {
    return Error(Kind::kTruncated, fmt::format("has {} bytes, expected a header of {}: it was "
                                               "truncated; restart the process to get a whole one",
                                               size_, ledger::kHeaderSize));
  }
  return CheckHeader(*header);
}

std::optional<LedgerError> LedgerFile::CheckHeader(const ledger::Header& header) const {
  if (header.version != ledger::kVersion) {
    if (__builtin_bswap32(header.version) == ledger::kVersion) {
      return Error(Kind::kOtherByteOrder,
                   "was written on a machine of the other byte order: read it on such a machine");
    }
    return Error(
        Kind::kOtherVersion,
        fmt::format("has format version {}, expected {}: read it with the pqleash that was "
                    "installed together with the library of that process",
                    header.version, ledger::kVersion));
  }
  if (header.byte_order != ledger::kByteOrder) {
    return Error(
        Kind::kOtherByteOrder,
        fmt::format("has byte order mark {:#010x}, expected {:#010x}: it is damaged, or was "
                    "written on another kind of machine",
                    header.byte_order, ledger::kByteOrder));
  }
  if (header.header_size != ledger::kHeaderSize) {
    return Error(Kind::kDamaged, fmt::format("is damaged: header size {}, expected {}; restart the "
                                             "process to get a new one",
                                             header.header_size, ledger::kHeaderSize));
  }
  if (header.file_size > size_) {
    return Error(Kind::kTruncated,
                 fmt::format("has {} bytes, expected {}: it was truncated; restart "
                             "the process to get a whole one",
                             size_, header.file_size));
  }
  for (uint32_t i = 0; i < ledger::kSectionCount; ++i) {
    const ledger::Section& section = header.sections[i];
    const ExpectedSection& expected = kExpected[i];
    if (section.record_size != expected.record_size) {
      return Error(Kind::kDamaged,
                   fmt::format("is damaged: record size {} in section '{}', expected "
                               "{}; restart the process to get a new one",
                               section.record_size, expected.name, expected.record_size));
    }
    const uint64_t size = uint64_t{section.record_size} * section.capacity;
    if (section.offset < ledger::kHeaderSize || section.offset > header.file_size ||
        size > header.file_size - section.offset) {
      return Error(
          Kind::kDamaged,
          fmt::format("is damaged: section '{}' of {} bytes at {}, expected inside bytes {} "
                      "to {}; restart the process to get a new one",
                      expected.name, size, section.offset, ledger::kHeaderSize, header.file_size));
    }
  }
  return std::nullopt;
}

}  // namespace pqleash::reporter
