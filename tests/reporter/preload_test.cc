// SPDX-License-Identifier: Apache-2.0

#include "reporter/launch/preload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// What the entry must come to for glibc: the root, and then the path.
std::string AtOrigin(const std::string& path) {
  std::string entry = "$ORIGIN";
  for (int i = 0; i < 32; ++i) entry += "/..";
  return entry + path;
}

// A directory as shim/preload makes it, with a library beside.
void MakePrefix(const ScratchDirectory& prefix, const char* directory, const char* library) {
  for (const char* name : {".", "lib64", "lib32"}) {
    const std::string path = prefix.Path(directory) + "/" + name;
    std::filesystem::create_directories(path);
    std::filesystem::create_symlink(prefix.Path(library), path + "/libpqleash.so");
  }
  std::filesystem::create_directories(std::filesystem::path(prefix.Path(library)).parent_path());
  WriteFile(prefix.Path(library), "");
}

TEST(PreloadEntryTest, LeadsThroughTheDirectoryOfEachPrefix) {
  struct Case {
    const char* directory;
    const char* library;
  };
  const Case cases[] = {
      {"lib/pqleash", "lib/x86_64-linux-gnu/libpqleash.so"},  // Debian
      {"lib/pqleash", "lib/libpqleash.so"},
      {"lib/pqleash", "lib64/libpqleash.so"},     // Fedora
      {"lib/pqleash", "shim/libpqleash.so"},      // the build tree
      {"pqleash", "pqleash/real/libpqleash.so"},  // all in one directory
  };
  for (const Case& test : cases) {
    const ScratchDirectory prefix;
    MakePrefix(prefix, test.directory, test.library);
    EXPECT_EQ(PreloadEntry(prefix.Path(test.library)),
              prefix.Path(test.directory) + "/$LIB/libpqleash.so");
  }
}

TEST(PreloadEntryTest, ADirectoryThatLeadsElsewhereIsNotTaken) {
  const ScratchDirectory prefix;
  MakePrefix(prefix, "lib/pqleash", "lib/libpqleash.so");
  std::filesystem::create_directories(prefix.Path("shim"));
  WriteFile(prefix.Path("shim/libpqleash.so"), "another");
  EXPECT_EQ(PreloadEntry(prefix.Path("shim/libpqleash.so")),
            AtOrigin(prefix.Path("shim/libpqleash.so")));
  if (geteuid() != 0) return;
  ASSERT_EQ(chown(prefix.Path("lib/pqleash").c_str(), 12345, 12345), 0);
  EXPECT_EQ(PreloadEntry(prefix.Path("lib/libpqleash.so")),
            AtOrigin(prefix.Path("lib/libpqleash.so")));
}

TEST(PreloadValueTest, OursFirstOthersInOrder) {
  const std::string ours = AtOrigin("/l/p.so");
  struct Case {
    const char* existing;
    const char* others;
  };
  const Case cases[] = {
      {"", ""},
      {"a.so", ":a.so"},
      {"a.so:b.so", ":a.so:b.so"},
      {"a.so b.so", ":a.so:b.so"},
      {" a.so: :b.so:", ":a.so:b.so"},
      {"a.so:/l/p.so:b.so", ":a.so:b.so"},
      {"/l/p.so", ""},
      {"/l/p.so.1", ":/l/p.so.1"},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(PreloadValue("/l/p.so", test.existing), ours + test.others) << test.existing;
  }
  EXPECT_EQ(PreloadValue("/l/p.so", "a.so:" + ours), ours + ":a.so");
}

// As an absolute path it would end programs of musl.
TEST(PreloadValueTest, AnotherNameOfTheLibraryIsLeftOut) {
  const ScratchDirectory prefix;
  MakePrefix(prefix, "lib/pqleash", "lib/libpqleash.so");
  const std::string library = prefix.Path("lib/libpqleash.so");
  EXPECT_EQ(PreloadValue(library, prefix.Path("lib/pqleash/lib64/libpqleash.so") + ":a.so"),
            PreloadEntry(library) + ":a.so");
}

TEST(LibraryCandidatesTest, InstalledAndBuildTree) {
  const std::vector<std::string> candidates = LibraryCandidates("/opt/p/bin/pqleash");
  EXPECT_THAT(candidates, Contains("/opt/p/lib/libpqleash.so"));
  EXPECT_THAT(candidates, Contains("/opt/p/shim/libpqleash.so"));
  EXPECT_THAT(LibraryCandidates("/b/reporter/pqleash"), Contains("/b/shim/libpqleash.so"));
}

TEST(LibraryProblemTest, Table) {
  const ScratchDirectory directory;
  for (const char* name : {"good.so", "with blank.so", "with:colon.so", "with$dollar.so"}) {
    WriteFile(directory.Path(name), "");
  }
  EXPECT_EQ(LibraryProblem(directory.Path("good.so")), std::nullopt);
  struct Case {
    std::string path;
    const char* problem;
  };
  const Case cases[] = {
      {directory.Path("none.so"), "No such file"},
      {directory.path(), "expected a file"},
      {directory.Path("with blank.so"), "takes no blank"},
      {directory.Path("with:colon.so"), "takes no blank"},
      {directory.Path("with$dollar.so"), "takes no blank"},
  };
  for (const Case& test : cases) {
    EXPECT_THAT(LibraryProblem(test.path).value_or("none"), HasSubstr(test.problem));
  }
}

TEST(DirectoryProblemTest, Table) {
  const ScratchDirectory directory;
  EXPECT_EQ(DirectoryProblem(directory.path()), std::nullopt);
  EXPECT_EQ(DirectoryProblem(directory.Path("new")), std::nullopt) << "the library makes it";
  WriteFile(directory.Path("file"), "");
  std::filesystem::create_directory(directory.Path("open"));
  chmod(directory.Path("open").c_str(), 0755);
  std::filesystem::create_directory_symlink(directory.path(), directory.Path("link"));
  struct Case {
    std::string path;
    const char* problem;
  };
  const Case cases[] = {
      {directory.Path("file"), "is not a directory"},
      {directory.Path("link"), "is not a directory"},
      {directory.Path("open"), "has mode 0755, expected 0700"},
      {directory.Path("no/such"), "cannot be made"},
      {directory.Path("file/x"), "cannot be used"},
  };
  for (const Case& test : cases) {
    EXPECT_THAT(DirectoryProblem(test.path).value_or("none"), HasSubstr(test.problem)) << test.path;
  }
}

}  // namespace
}  // namespace pqleash::reporter
