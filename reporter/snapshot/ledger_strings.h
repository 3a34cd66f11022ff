// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SNAPSHOT_LEDGER_STRINGS_H_
#define PQLEASH_REPORTER_SNAPSHOT_LEDGER_STRINGS_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "reporter/snapshot/ledger_reader.h"
#include "shim/ledger/layout.h"

namespace pqleash::reporter {

// The string heap of a ledger. References are hostile: a bad one is counted and read as ''.
class LedgerStrings {
 public:
  explicit LedgerStrings(std::vector<char> bytes) : bytes_(std::move(bytes)) {}

  // The string that `reference` names, cut to `limit` bytes.
  std::string At(ledger::StringRef reference, uint32_t limit = ledger::kMaxStringSize) {
    if (reference == 0) return {};
    ledger::String string;
    const uint64_t begin = uint64_t{reference} + sizeof string;
    if (reference % 4 != 0 || begin > bytes_.size()) return Bad();
    std::memcpy(&string, bytes_.data() + reference, sizeof string);
    if (string.size > ledger::kMaxStringSize || begin + string.size + 1 > bytes_.size()) {
      return Bad();
    }
    const uint32_t size = string.size < limit ? string.size : limit;
    if (copied_ + size > kMaxCopiedStringBytes) {
      ++left_out_;
      return {};
    }
    copied_ += size;
    return std::string(bytes_.data() + begin, size);
  }

  uint64_t bad() const { return bad_; }
  uint64_t left_out() const { return left_out_; }

 private:
  std::string Bad() {
    ++bad_;
    return {};
  }

  std::vector<char> bytes_;
  uint64_t copied_ = 0;
  uint64_t bad_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_LEDGER_STRINGS_H_
