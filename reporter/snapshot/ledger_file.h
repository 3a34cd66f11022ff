// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SNAPSHOT_LEDGER_FILE_H_
#define PQLEASH_REPORTER_SNAPSHOT_LEDGER_FILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "reporter/snapshot/ledger_error.h"
#include "shim/ledger/layout.h"

namespace pqleash::reporter {

// An open ledger file: bounded reads, and the check of its header. Not thread-safe.
class LedgerFile {
 public:
  explicit LedgerFile(std::string shown_path) : shown_path_(std::move(shown_path)) {}
  ~LedgerFile();
  LedgerFile(const LedgerFile&) = delete;
  LedgerFile& operator=(const LedgerFile&) = delete;

  // Opens a regular file, through no link, and checks its size. No value: fine.
  std::optional<LedgerError> Open(int directory_fd, const std::string& path);

  // Reads the header and checks everything in it that later reads rely on.
  std::optional<LedgerError> ReadHeader(ledger::Header* header) const;

  // Reads exactly `size` bytes; fewer is an error: the file got shorter, or the disk failed.
  std::optional<LedgerError> Read(uint64_t offset, size_t size, void* bytes) const;

  const std::string& shown_path() const { return shown_path_; }

 private:
  LedgerError Error(LedgerError::Kind kind, const std::string& what) const;
  std::optional<LedgerError> CheckHeader(const ledger::Header& header) const;

  std::string shown_path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_LEDGER_FILE_H_
