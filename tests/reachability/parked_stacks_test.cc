// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/parked_stacks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;

constexpr AddressRange kUnused = {0x7000, 0x9000};
constexpr uint64_t kCode = 0x400100;
constexpr uint64_t kGlobal = 0x600000;
constexpr uint64_t kFrame = 0x9100;  // in the used part of the stack

// The words of a process.
class ParkedStacks : public ::testing::Test {
 protected:
  std::vector<uint64_t> From(const std::vector<WordToStack>& words) const {
    return ParkedFrom({kUnused}, words,
                      {[this](uint64_t address) {
                         const auto found = memory_.find(address);
                         return found == memory_.end() ? 0 : found->second;
                       },
                       [](uint64_t address) { return address / 0x1000 == kCode / 0x1000; }});
  }

  std::map<uint64_t, uint64_t> memory_;
};

TEST_F(ParkedStacks, AWordThatLeadsThereIsNone) {
  EXPECT_THAT(From({{kGlobal, 0x8000, false}}), ElementsAre(kUnused.end));
  EXPECT_THAT(From({}), ElementsAre(kUnused.end));
}

TEST_F(ParkedStacks, AContextHasTheCodeBehindTheStackPointer) {
  memory_[kGlobal + 8] = kCode;
  memory_[kFrame + 8] = kCode;
  EXPECT_THAT(From({{kGlobal, 0x8000, false}}), ElementsAre(0x8000));
  EXPECT_THAT(From({{kFrame, 0x7ff0, true}, {kGlobal, 0x8000, false}}), ElementsAre(0x7ff0));
}

TEST_F(ParkedStacks, PushedRegistersEndWithTheCode) {
  memory_[0x8038] = kCode;
  EXPECT_THAT(From({{kGlobal, 0x8000, false}}), ElementsAre(0x8000));
  // A frame has pointers into the stack, and return addresses, all over.
  EXPECT_THAT(From({{kFrame, 0x8000, true}}), ElementsAre(kUnused.end));
}

TEST_F(ParkedStacks, AContextInAParkedFrameCountsOnceThatOneIsKnown) {
  memory_[0x8048] = kCode;
  const WordToStack inner = {0x8040, 0x7100, true};
  EXPECT_THAT(From({inner}), ElementsAre(kUnused.end));
  memory_[kGlobal + 8] = kCode;
  EXPECT_THAT(From({inner, {kGlobal, 0x8000, false}}), ElementsAre(0x7100));
}

}  // namespace
}  // namespace pqleash::reporter
