// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/modules.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/shim/call_site_fixture.h"

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

TEST(Modules, CountsWhatFindsNoRoom) {
  CallSiteFixture f(16, 1);
  f.modules->Follow(ReadLoaderState());
  EXPECT_EQ(f.ledger->header().modules_used, 1u);
  EXPECT_GT(f.ledger->header().unrecorded_modules, 0u);
}

}  // namespace
}  // namespace pqleash::stack
