// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing the memory of another process through /proc/PID/mem, which passes the
// protection of pages: words of relocated, read-only sections can be written as the dynamic linker
// wrote them. A private mapping of a file gets a page of its own by that, as by any write.

#ifndef PQLEASH_REPORTER_ATTACH_REMOTE_MEMORY_H_
#define PQLEASH_REPORTER_ATTACH_REMOTE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pqleash::reporter {

// Not thread-safe. Stays valid for the process that was opened, and for no later one of that pid.
class RemoteMemory {
 public:
  explicit RemoteMemory(int32_t pid);
  ~RemoteMemory();
  RemoteMemory(const RemoteMemory&) = delete;
  RemoteMemory& operator=(const RemoteMemory&) = delete;

  // errno of the attempt to open it; 0: it is open.
  int error() const { return error_; }

  // The number of bytes read, from the first on.
  size_t Read(uint64_t address, void* to, size_t size) const;
  std::optional<uint64_t> Word(uint64_t address) const;
  // Up to `limit` bytes before the NUL; no value: cannot be read, or no NUL is among them.
  std::optional<std::string> Text(uint64_t address, size_t limit) const;
  // False: nothing or not all was written.
  bool Write(uint64_t address, const void* from, size_t size) const;
  bool WriteWord(uint64_t address, uint64_t word) const {
    return Write(address, &word, sizeof word);
  }

  int descriptor() const { return file_; }

 private:
  int file_ = -1;
  int error_ = 0;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_REMOTE_MEMORY_H_
