// SPDX-License-Identifier: Apache-2.0
//
// Boards for tests, made by the library's own code in memory.

#ifndef PQLEASH_TESTS_REPORTER_EXAMPLE_BOARD_H_
#define PQLEASH_TESTS_REPORTER_EXAMPLE_BOARD_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>

#include "shim/caps/board.h"

namespace pqleash::reporter {

inline constexpr uint64_t kBoardSecond = 1'000'000'000;
// CLOCK_MONOTONIC at which what is on an example was written.
inline constexpr uint64_t kBoardNow = 5'000 * kBoardSecond;

// A cap that connects wait at for five seconds.
caps::Policy WaitingCap(const std::string& name, caps::Scope scope, uint32_t limit);

// A board that nobody else uses: processes on it need not be there.
class MemoryBoard {
 public:
  MemoryBoard();

  // Each returns the number.
  uint32_t AddPolicy(const caps::Policy& policy, const std::string& service,
                     caps::Origin origin = caps::kFromConfig);
  uint32_t Join(int32_t pid, const std::string& service);

  // A connect of `member` at `policies` (a mask) `age_s` before kBoardNow, by code that `label`
  // names.
  caps::Outcome Connect(uint32_t member, uint64_t policies, double age_s,
                        const std::string& label = "shop::Desk::Audit (order.cc:113)");

  caps::Board& board() { return board_; }
  std::string Bytes() const { return std::string(memory_.get(), size_); }

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  uint64_t size_;
  std::unique_ptr<char, Free> memory_;
  caps::Board board_;
};

inline std::span<const std::byte> AsBytes(const std::string& bytes) {
  return std::as_bytes(std::span(bytes.data(), bytes.size()));
}

// Two processes of one service at a cap that was changed from outside, a pace while the server is
// full, a cap that was made from outside, one of scope process.
void FillExample(MemoryBoard* board);
// The board of a process of its own, with the cap of scope process.
void FillProcessExample(MemoryBoard* board);

}  // namespace pqleash::reporter

#endif  // PQLEASH_TESTS_REPORTER_EXAMPLE_BOARD_H_
