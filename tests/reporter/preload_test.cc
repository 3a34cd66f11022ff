// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/preload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"

namespace pqleash::reporter {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

TEST(PreloadValueTest, OursFirstOthersInOrder) {
  struct Case {
    const char* existing;
    const char* value;
  };
  const Case cases[] = {
      {"", "/l/p.so"},
      {"a.so", "/l/p.so:a.so"},
      {"a.so:b.so", "/l/p.so:a.so:b.so"},
      {"a.so b.so", "/l/p.so:a.so:b.so"},
      {" a.so: :b.so:", "/l/p.so:a.so:b.so"},
      {"a.so:/l/p.so:b.so", "/l/p.so:a.so:b.so"},
      {"/l/p.so", "/l/p.so"},
      {"/l/p.so.1", "/l/p.so:/l/p.so.1"},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(PreloadValue("/l/p.so", test.existing), test.value) << test.existing;
  }
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
