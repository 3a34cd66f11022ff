// SPDX-License-Identifier: Apache-2.0

#include "shim/config/file_change.h"

#include <gtest/gtest.h>

namespace pqleash::config {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kRealtime = 1'000 * kSecond;  // of the first look

// A file that was written `ago` before the first look.
FileMark Written(uint64_t ago, int64_t size = 10, uint64_t inode = 1) {
  return {kRealtime - ago, kRealtime - ago, inode, size};
}

class FileChangeTest : public ::testing::Test {
 protected:
  FileChangeTest() { change_.Take(Written(100 * kSecond)); }

  // At `after` ns after the first look.
  bool DueAt(uint64_t after, const FileMark& mark) {
    return change_.IsDue(mark, 5 * kSecond + after, kRealtime + after);
  }

  FileChange change_;
};

TEST_F(FileChangeTest, TheFileThatWasTakenIsNeverDue) {
  EXPECT_FALSE(DueAt(0, Written(100 * kSecond)));
  EXPECT_FALSE(DueAt(100 * kSecond, Written(100 * kSecond)));
}

TEST_F(FileChangeTest, OneThatHasBeenStillIsDueAtOnce) {
  EXPECT_TRUE(DueAt(0, Written(kSecond, 20)));
  // As after `mv`: it may be older than what was taken.
  EXPECT_TRUE(DueAt(0, Written(200 * kSecond, 10, 2)));
}

TEST_F(FileChangeTest, OneThatIsBeingWrittenIsNotDue) {
  EXPECT_FALSE(DueAt(0, Written(1, 0)));
  EXPECT_FALSE(DueAt(kSecond / 2, {kRealtime, kRealtime, 1, 5}));
  const FileMark at_last = {kRealtime + kSecond / 2, kRealtime + kSecond / 2, 1, 20};
  EXPECT_FALSE(DueAt(kSecond, at_last));
  EXPECT_TRUE(DueAt(kSecond * 3 / 2, at_last));
}

// st_mtim can be set, and says nothing of when that was.
TEST_F(FileChangeTest, AnOldTimeThatWasSetJustNowIsNotBelieved) {
  EXPECT_FALSE(DueAt(0, {kRealtime - 50 * kSecond, kRealtime, 1, 20}));
}

// Of a file server whose clock is ahead: two looks.
TEST_F(FileChangeTest, ATimeThatIsStillToComeIsNotBelieved) {
  const FileMark ahead = {kRealtime + 60 * kSecond, kRealtime + 60 * kSecond, 1, 20};
  EXPECT_FALSE(DueAt(0, ahead));
  EXPECT_FALSE(DueAt(kSecond - 1, ahead));
  EXPECT_TRUE(DueAt(kSecond, ahead));
}

TEST_F(FileChangeTest, OneThatIsGoneForAMomentIsNotDue) {
  EXPECT_FALSE(DueAt(0, {}));
  EXPECT_FALSE(DueAt(kSecond / 2, Written(100 * kSecond)));
  EXPECT_FALSE(DueAt(2 * kSecond, {})) << "gone again";
  EXPECT_TRUE(DueAt(3 * kSecond, {}));
}

TEST_F(FileChangeTest, WhatIsTakenIsNoLongerDue) {
  const FileMark other = Written(kSecond, 20);
  EXPECT_TRUE(DueAt(0, other));
  change_.Take(other);
  EXPECT_FALSE(DueAt(kSecond, other));
}

TEST(FileMark, IsThatOfTheFile) {
  EXPECT_EQ(MarkOf(nullptr), FileMark{});
  EXPECT_EQ(MarkOf(""), FileMark{});
  EXPECT_EQ(MarkOf("/nowhere"), FileMark{});
  EXPECT_NE(MarkOf("/proc/self/exe"), FileMark{});
}

}  // namespace
}  // namespace pqleash::config
