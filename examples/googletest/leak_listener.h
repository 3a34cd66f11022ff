// SPDX-License-Identifier: Apache-2.0
//
// Fails the test that leaves a PostgreSQL connection open, and prints the stack that opened it.
//
//   int main(int argc, char** argv) {
//     testing::InitGoogleTest(&argc, argv);
//     testing::UnitTest::GetInstance()->listeners().Append(new LeakListener);
//     return RUN_ALL_TESTS();
//   }
//
// Run with `pqleash run -- ./tests`, or LD_PRELOAD='.../pqleash/$LIB/libpqleash.so' ./tests; without it the
// listener does nothing.

#ifndef LEAK_LISTENER_H_
#define LEAK_LISTENER_H_

#include <gtest/gtest.h>
#include <pqleash.h>
#include <time.h>

#include <algorithm>
#include <string>
#include <vector>

// Null where the library is not in the process.
#pragma weak pqleash_opened_since
#pragma weak pqleash_stack

class LeakListener : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    since_ns_ = uint64_t(now.tv_sec) * 1'000'000'000 + uint64_t(now.tv_nsec);
  }

  void OnTestEnd(const testing::TestInfo&) override {
    if (pqleash_opened_since == nullptr) return;
    std::vector<const pg_conn*> open(pqleash_opened_since(since_ns_, nullptr, 0));
    open.resize(std::min(open.size(), pqleash_opened_since(since_ns_, open.data(), open.size())));
    for (const pg_conn* connection : open) {
      std::string stack(pqleash_stack(connection, nullptr, 0), '\0');
      pqleash_stack(connection, stack.data(), stack.size() + 1);
      ADD_FAILURE() << "a PostgreSQL connection was left open, opened at\n" << stack;
    }
  }

  uint64_t since_ns_ = 0;
};

#endif  // LEAK_LISTENER_H_
