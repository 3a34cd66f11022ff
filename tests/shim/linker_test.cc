// SPDX-License-Identifier: Apache-2.0

#include "shim/support/linker.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "shim/libpq/deep_bind.h"
#include "shim/libpq/names.h"
#include "shim/support/elf_needs.h"
#include "shim/support/elf_symbol.h"
#include "shim/support/start_scope.h"
#include "tests/support/temporary_directory.h"

namespace pqleash {
namespace {

constexpr char kLibc[] = "libc.so.6";

TEST(FindLoadedFunction, AgreesWithDlsym) {
  // Of libc itself: a sanitizer's runtime has some of these, too.
  void* libc = dlopen(kLibc, RTLD_LAZY | RTLD_NOLOAD);
  ASSERT_NE(libc, nullptr);
  for (const char* name : {"dlsym", "dlvsym", "dlopen", "malloc", "printf"}) {
    const void* found = FindLoadedFunction(kLibc, name);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(found, dlsym(libc, name)) << name;
  }
  dlclose(libc);
  EXPECT_EQ(FindLoadedFunction(kLibc, "no_such_function"), nullptr);
  EXPECT_EQ(FindLoadedFunction(kLibc, ""), nullptr);
}

TEST(FindAtStart, AgreesWithDlsymWithoutTheLinkersLock) {
  NoteStartScope();
  const void* found = FindAtStart("getppid");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found, dlsym(RTLD_NEXT, "getppid"));
  EXPECT_EQ(FindAtStart("no_such_function"), nullptr);
}

TEST(FileNeeds, ReadsTheDynamicSection) {
  const auto libc = [](const char* name) { return std::string_view(name) == "libc.so.6"; };
  const auto nothing = [](const char*) { return false; };
  EXPECT_TRUE(FileNeeds(PQLEASH_LIBPQ, libc));
  EXPECT_FALSE(FileNeeds(PQLEASH_LIBPQ, nothing));
}

TEST(FileNeeds, SaysNoToWhatIsNoSharedObject) {
  const auto anything = [](const char*) { return true; };
  const testing::TemporaryDirectory directory;
  EXPECT_FALSE(FileNeeds((directory / "not there").c_str(), anything));
  EXPECT_FALSE(FileNeeds(directory.path().c_str(), anything));
  EXPECT_FALSE(FileNeeds("/etc/passwd", anything));
  EXPECT_FALSE(FileNeeds("/dev/zero", anything));
}

TEST(IsLibpqName, TellsLibpqFromItsNeighbours) {
  for (const char* name :
       {"libpq.so.5", "/usr/lib/libpq.so.5", "libpq-9f38f5a2.so.5.16", "libpq5.so"}) {
    EXPECT_TRUE(libpq::IsLibpqName(name)) << name;
  }
  for (const char* name :
       {"libpqleash.so", "libpqxx-6.4.so", "libp.so", "/usr/lib/libpq.d/other.so", ""}) {
    EXPECT_FALSE(libpq::IsLibpqName(name)) << name;
  }
}

TEST(DeepBind, IsRememberedByPath) {
  EXPECT_FALSE(libpq::AskedForDeepBind("/usr/lib/php/pgsql.so"));
  libpq::NoteDeepBind("/usr/lib/php/pgsql.so");
  libpq::NoteDeepBind("/usr/lib/php/pdo_pgsql.so");
  EXPECT_TRUE(libpq::AskedForDeepBind("/usr/lib/php/pgsql.so"));
  EXPECT_TRUE(libpq::AskedForDeepBind("/usr/lib/php/pdo_pgsql.so"));
  EXPECT_FALSE(libpq::AskedForDeepBind("/usr/lib/php/curl.so"));
}

}  // namespace
}  // namespace pqleash
