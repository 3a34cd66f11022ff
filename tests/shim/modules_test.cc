// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/modules.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "shim/stack/mapped_paths.h"
#include "tests/shim/call_site_fixture.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::stack {
namespace {

void Here() {}

Location LocateOne(CallSiteFixture& f, const void* address) {
  Location location = {};
  EXPECT_TRUE(f.modules->Locate(&address, 1, &location));
  return location;
}

TEST(Modules, LocatesOurOwnCode) {
  CallSiteFixture f;
  f.modules->Follow(ReadLoaderState());
  const auto address = reinterpret_cast<uintptr_t>(&Here);
  const Location location = LocateOne(f, reinterpret_cast<const void*>(address));
  ASSERT_NE(location.module, kNoModule);
  const ledger::Module& module = f.ModuleAt(location.module);
  EXPECT_EQ(location.offset, address - module.bias);
  EXPECT_EQ(module.state, ledger::kModuleLoaded);
  EXPECT_EQ(module.sequence % 2, 0u);
  EXPECT_GT(module.build_id_size, 0u);
  char exe[512] = {};
  ASSERT_GT(readlink("/proc/self/exe", exe, sizeof(exe) - 1), 0);
  EXPECT_EQ(f.strings->Get(module.path), exe);
}

TEST(Modules, GeneratedCodeHasNone) {
  CallSiteFixture f;
  f.modules->Follow(ReadLoaderState());
  const Location location = LocateOne(f, reinterpret_cast<const void*>(uintptr_t{0x10}));
  EXPECT_EQ(location.module, kNoModule);
  EXPECT_EQ(location.offset, 0x10u);
}

TEST(Modules, FollowsLoadingAndUnloading) {
  CallSiteFixture f;
  f.modules->Follow(ReadLoaderState());
  // Any shared object will do that this program is not linked with.
  void* handle = dlopen(PQLEASH_LIBPQ, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr) << dlerror();
  f.modules->Follow(ReadLoaderState());
  const auto* inside = static_cast<const char*>(dlsym(handle, "PQstatus")) + 1;
  const Location loaded = LocateOne(f, inside);
  ASSERT_NE(loaded.module, kNoModule);
  EXPECT_EQ(f.ModuleAt(loaded.module).state, ledger::kModuleLoaded);

  dlclose(handle);
  f.modules->Follow(ReadLoaderState());
  EXPECT_EQ(f.ModuleAt(loaded.module).state, ledger::kModuleUnloaded);
  EXPECT_EQ(LocateOne(f, inside).module, kNoModule);

  // The same object has the same record, wherever it is now.
  const uint32_t known = f.ledger->header().modules_used;
  handle = dlopen(PQLEASH_LIBPQ, RTLD_NOW | RTLD_LOCAL);
  f.modules->Follow(ReadLoaderState());
  EXPECT_EQ(f.ModuleAt(loaded.module).state, ledger::kModuleLoaded);
  EXPECT_EQ(f.ledger->header().modules_used, known);
  dlclose(handle);
}

// dlopen("./plugin.so"), and a relative directory in LD_LIBRARY_PATH.
TEST(Modules, ARelativeNameBecomesAbsolute) {
  const testing::TemporaryDirectory directory;
  std::filesystem::copy_file(PQLEASH_LIBPQ, directory / "plugin.so");
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  void* handle = dlopen("./plugin.so", RTLD_NOW | RTLD_LOCAL);
  // As a daemon does.
  std::filesystem::current_path("/");
  ASSERT_NE(handle, nullptr) << dlerror();
  CallSiteFixture f;
  f.modules->Follow(ReadLoaderState());
  const Location location = LocateOne(f, static_cast<const char*>(dlsym(handle, "PQstatus")) + 1);
  dlclose(handle);
  std::filesystem::current_path(before);
  ASSERT_NE(location.module, kNoModule);
  EXPECT_EQ(f.strings->Get(f.ModuleAt(location.module).path), directory / "plugin.so");
}

TEST(MappedPathParser, Lines) {
  struct Case {
    const char* line;
    const char* path;
  };
  const Case cases[] = {
      {"1000-2000 r-xp 00000000 fe:00 12 /a/b.so", "/a/b.so"},
      {"1000-2000 r-xp 00000000 fe:00 12    /a b/c (deleted)", "/a b/c"},
      {"2000-3000 r-xp 00000000 fe:00 12 /a/b.so", "unchanged"},
      {"1000-1800 r-xp 00000000 fe:00 12 /a/b.so", "unchanged"},
      {"1000-2000 rw-p 00000000 00:00 0", "unchanged"},
      {"1000-2000 rw-p 00000000 00:00 0 [heap]", "unchanged"},
      {"1000-2000 r-xp 00000000 fe:00 12 /a/name-that-does-not-fit", "unchanged"},
      {"", "unchanged"},
      {"-2000 r-xp 0 0 0 /a", "unchanged"},
      {"1000", "unchanged"},
      {"xyz-2000 r-xp 0 0 0 /a", "unchanged"},
  };
  for (const Case& test : cases) {
    char path[16] = "unchanged";
    MappedPath wanted = {0x1800, path, sizeof path};
    MappedPathParser(&wanted, 1).TakeLine(test.line, strlen(test.line));
    EXPECT_STREQ(path, test.path) << test.line;
  }
}

// Lines that lie across the end of what was read at once.
TEST(ReadMappedPaths, WhateverTheBuffer) {
  char exe[512] = {};
  ASSERT_GT(readlink("/proc/self/exe", exe, sizeof exe - 1), 0);
  for (size_t size = 4096; size < 4096 + 64; ++size) {
    std::string buffer(size, '\0');
    char path[512] = "";
    MappedPath wanted = {reinterpret_cast<uintptr_t>(&Here), path, sizeof path};
    ReadMappedPaths(&wanted, 1, buffer.data(), buffer.size());
    ASSERT_STREQ(path, exe) << size;
  }
}

TEST(Modules, CountsWhatFindsNoRoom) {
  CallSiteFixture f(16, 1);
  f.modules->Follow(ReadLoaderState());
  EXPECT_EQ(f.ledger->header().modules_used, 1u);
  EXPECT_GT(f.ledger->header().unrecorded_modules, 0u);
}

}  // namespace
}  // namespace pqleash::stack
