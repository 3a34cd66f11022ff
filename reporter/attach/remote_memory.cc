// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/remote_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pqleash::reporter {

RemoteMemory::RemoteMemory(int32_t pid)
    : file_(open(fmt::format("/proc/{}/mem", pid).c_str(), O_RDWR | O_CLOEXEC)) {
  if (file_ < 0) error_ = errno;
}

RemoteMemory::~RemoteMemory() {
  if (file_ >= 0) close(file_);
}

size_t RemoteMemory::Read(uint64_t address, void* to, size_t size) const {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = pread(file_, static_cast<char*>(to) + done, size - done,
                              static_cast<off_t>(address + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

std::optional<uint64_t> RemoteMemory::Word(uint64_t address) const {
  uint64_t word = 0;
  if (Read(address, &word, sizeof word) != sizeof word) return std::nullopt;
  return word;
}

std::optional<std::string> RemoteMemory::Text(uint64_t address, size_t limit) const {
  std::vector<char> bytes(limit + 1);
  const size_t got = Read(address, bytes.data(), bytes.size());
  const auto end = std::find(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(got), '\0');
  if (end == bytes.begin() + static_cast<ptrdiff_t>(got)) return std::nullopt;
  return std::string(bytes.begin(), end);
}

bool RemoteMemory::Write(uint64_t address, const void* from, size_t size) const {
  size_t done = 0;
  while (done < size) {
    const ssize_t written = pwrite(file_, static_cast<const char*>(from) + done, size - done,
                                   static_cast<off_t>(address + done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<size_t>(written);
  }
  return true;
}

}  // namespace pqleash::reporter
