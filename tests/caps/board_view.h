// SPDX-License-Identifier: Apache-2.0
//
// The boards in a directory of ledgers, looked at from outside: who uses what, and who waits. This
// is how tests know that a connect waits, without a guess at how long it takes to come there.

#ifndef PQLEASH_TESTS_CAPS_BOARD_VIEW_H_
#define PQLEASH_TESTS_CAPS_BOARD_VIEW_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shim/caps/layout.h"

namespace pqleash::testing {

// A board in a file, mapped for reading.
class MappedBoard {
 public:
  // nullptr: there is no board in the file (yet).
  static std::unique_ptr<MappedBoard> Open(const std::string& path);
  ~MappedBoard();
  MappedBoard(const MappedBoard&) = delete;
  MappedBoard& operator=(const MappedBoard&) = delete;

  const caps::BoardHeader& header() const { return *header_; }
  // nullptr: no policy has that name.
  const caps::Record* Find(const std::string& name) const;
  uint32_t entries_used() const;
  const caps::Entry& entry(uint32_t number) const { return entries_[number - 1]; }

 private:
  MappedBoard(void* memory, size_t size, const unsigned char* board);

  void* const memory_;
  const size_t size_;
  const caps::BoardHeader* const header_;
  const caps::Record* const records_;
  const caps::Entry* const entries_;
};

// Path of the shared board in a directory; empty: none.
std::string SharedBoardIn(const std::string& directory);

// Of the policy of a name, on all boards of a directory, those of living processes and the shared
// one.
struct PolicyState {
  uint32_t use = 0;
  uint32_t waiting = 0;
  uint32_t limit = 0;  // in force, the largest
  bool operator==(const PolicyState&) const = default;
};
PolicyState StateOf(const std::string& directory, const std::string& policy);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_CAPS_BOARD_VIEW_H_
