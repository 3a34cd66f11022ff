// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/ledger_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(LedgerNameTest, Good) {
  struct Case {
    const char* name;
    LedgerName parsed;
  };
  const Case cases[] = {
      {"1-0.ledger", {1, 0, 0}},
      {"4711-5000.ledger", {4711, 5000, 0}},
      {"4711-5000.1.ledger", {4711, 5000, 1}},
      {"4711-5000.12.ledger", {4711, 5000, 12}},
      {"2147483647-18446744073709551615.4294967295.ledger", {2147483647, ~uint64_t{0}, ~0u}},
  };
  for (const Case& test : cases) {
    const auto parsed = ParseLedgerName(test.name);
    ASSERT_TRUE(parsed) << test.name;
    EXPECT_EQ(*parsed, test.parsed) << test.name;
  }
}

TEST(LedgerNameTest, Bad) {
  for (const char* name : {"",
                           ".",
                           "..",
                           "ledger",
                           ".ledger",
                           "1.ledger",
                           "1-.ledger",
                           "-1.ledger",
                           "-1-2.ledger",
                           "0-2.ledger",
                           "01-2.ledger",
                           "1-02.ledger",
                           "1-2.0.ledger",
                           "1-2.01.ledger",
                           "1-2..ledger",
                           "1-2.x.ledger",
                           "1-2",
                           "1-2.ledger.tmp",
                           "1-2.ledgerx",
                           " 1-2.ledger",
                           "+1-2.ledger",
                           "2147483648-2.ledger",
                           "1-18446744073709551616.ledger",
                           "1-2.4294967296.ledger",
                           "1-2.1.1.ledger",
                           "1-2.1"}) {
    EXPECT_FALSE(ParseLedgerName(name)) << name;
  }
}

TEST(LedgerDirectoriesTest, ConfiguredOneIsTheOnlyOne) {
  EXPECT_THAT(LedgerDirectories("/srv/x", 0), ElementsAre("/srv/x"));
}

TEST(LedgerDirectoriesTest, RootLooksAtAllUsers) {
  const ScratchDirectory shm;
  for (const char* name : {"pqleash-1000", "pqleash-33", "pqleash-", "pqleash-x", "other"}) {
    std::filesystem::create_directory(shm.Path(name));
  }
  // A directory of somebody else's is none of that user's.
  if (chown(shm.Path("pqleash-33").c_str(), 33, 33) != 0) GTEST_SKIP() << "root alone can";
  const config::DirectoryRoots roots = {shm.path(), shm.Path("none"), shm.Path("none")};
  EXPECT_THAT(LedgerDirectories("", 33, roots), ElementsAre(shm.Path("pqleash-33")));
  EXPECT_THAT(LedgerDirectories("", 0, roots),
              ElementsAre(shm.Path("pqleash-1000"), shm.Path("pqleash-33"), shm.Path("pqleash-0")));
}

TEST(ListLedgersTest, OnlyTheHighestImageIsTheNewest) {
  const ScratchDirectory directory;
  for (const char* name : {"7-1.10.ledger", "7-1.ledger", "7-1.9.ledger", "7-2.ledger",
                           "8-1.ledger", "README", "9-1.ledger.tmp"}) {
    WriteFile(directory.Path(name), "");
  }
  const LedgerListing listing = ListLedgers({directory.path()});
  EXPECT_THAT(listing.problems, IsEmpty());
  std::vector<std::string> shown;
  for (const LedgerEntry& entry : listing.entries) {
    shown.push_back(std::filesystem::path(entry.path).filename().string() +
                    (entry.newest_image ? "" : " old"));
  }
  EXPECT_THAT(shown, ElementsAre("7-1.ledger old", "7-1.9.ledger old", "7-1.10.ledger",
                                 "7-2.ledger", "8-1.ledger"));
}

TEST(ListLedgersTest, NoDirectoryHoldsNoLedgers) {
  const LedgerListing listing = ListLedgers({"/nowhere/at/all"});
  EXPECT_THAT(listing.entries, IsEmpty());
  EXPECT_THAT(listing.problems, IsEmpty());
}

TEST(ListLedgersTest, SaysWhichDirectoryItDoesNotLookInto) {
  const ScratchDirectory shm;
  const std::string own = shm.Path("pqleash-" + std::to_string(geteuid()));
  const std::string link = shm.Path("pqleash-77");
  const std::string file = shm.Path("file");
  std::filesystem::create_directory(own);
  std::filesystem::create_directory_symlink(own, link);
  WriteFile(file, "");
  WriteFile(own + "/7-1.ledger", "");
  EXPECT_EQ(ListLedgers({own}).entries.size(), 1u);

  struct Case {
    const char* what;
    std::string path;
    mode_t mode;
    const char* sentence;
  };
  const Case cases[] = {
      {"link", link, 0700, "cannot be opened"},
      {"file", file, 0700, "cannot be opened"},
      {"others may write", own, 0777, "is writable for other users"},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.what);
    ASSERT_EQ(chmod(own.c_str(), test.mode), 0);
    const LedgerListing listing = ListLedgers({test.path});
    EXPECT_THAT(listing.entries, IsEmpty());
    ASSERT_EQ(listing.problems.size(), 1u);
    EXPECT_THAT(listing.problems[0].sentence, HasSubstr(test.sentence));
    EXPECT_THAT(listing.problems[0].sentence, HasSubstr(test.path));
  }
}

TEST(ListLedgersTest, DirectoryOfSomebodyElseIsNotLookedInto) {
  const ScratchDirectory shm;
  const std::string path = shm.Path("pqleash-" + std::to_string(geteuid() + 1));
  std::filesystem::create_directory(path);
  WriteFile(path + "/7-1.ledger", "");
  const LedgerListing listing = ListLedgers({path});
  EXPECT_THAT(listing.entries, IsEmpty());
  ASSERT_EQ(listing.problems.size(), 1u);
  EXPECT_THAT(listing.problems[0].sentence, HasSubstr("belongs to user"));
}

}  // namespace
}  // namespace pqleash::reporter
