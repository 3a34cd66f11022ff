// SPDX-License-Identifier: Apache-2.0
//
// Which interpreters are let in. The library that is looked into is this program.

#include "shim/stack/script/python_api.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstring>
#include <iterator>
#include <set>
#include <string>

namespace pqleash::stack::python {
namespace {

const char* g_version = "";
std::string g_missing;
std::set<std::string> g_asked;

const char* Version() { return g_version; }
void Nothing() {}

// As a program of 3.14 describes itself: the cookie, the version, then offsets.
uint64_t g_description[96];

void Describe() {
  memcpy(g_description, "xdebugpy", 8);
  g_description[1] = 0x030e00f0;
  for (size_t word = 3; word < std::size(g_description); ++word) g_description[word] = 8 * word;
  g_description[2] = 0;
}

void* LookUp(void*, const char* name) {
  g_asked.insert(name);
  if (name == g_missing) return nullptr;
  if (std::string("_PyRuntime") == name) return g_description;
  return reinterpret_cast<void*>(
      std::string("Py_GetVersion") == name ? reinterpret_cast<void (*)()>(Version) : Nothing);
}

void* FindNothing(void*, const char*) { return nullptr; }

// One test: what is found stays found.
TEST(PythonApi, IsThatOfAKnownVersionWithAllItsFunctions) {
  EXPECT_EQ(FoundApi(), nullptr);
  EXPECT_FALSE(FindApi(FindNothing));
  for (const char* version :
       {"", "3", "3.", "3.x", "2.7.18 (default, Apr 20 2020)", "3.8.18 (default)",
        "3.15.0 (main, Oct 7 2026)", "3.15", "3.99999999999999", "4.9.0", "13.9", "30.9.1",
        "3.13.0 experimental free-threading build (main, Oct 7 2024) [GCC 13.2.0]"}) {
    g_version = version;
    EXPECT_FALSE(FindApi(LookUp)) << version;
  }

  Describe();
  for (const char* version : {"3.9.2 (default)", "3.14.0 (main)"}) {
    g_version = version;
    g_asked.clear();
    // The last one that is asked for is missing: all the others are asked for.
    g_missing = "_PyEval_EvalFrameDefault";
    EXPECT_FALSE(FindApi(LookUp));
    const std::set<std::string> needed = g_asked;
    EXPECT_GT(needed.size(), 10u);
    for (const std::string& name : needed) {
      g_missing = name;
      EXPECT_FALSE(FindApi(LookUp)) << name << ", " << version;
      EXPECT_EQ(FoundApi(), nullptr);
    }
  }

  // What describes itself otherwise than its version says, or not at all, or as a build without the
  // GIL, is left alone.
  g_missing = "";
  g_version = "3.14.0 (main)";
  g_description[1] = 0x030d00f0;
  EXPECT_FALSE(FindApi(LookUp));
  Describe();
  g_description[2] = 1;
  EXPECT_FALSE(FindApi(LookUp));
  Describe();
  g_description[24] = 1 << 20;
  EXPECT_FALSE(FindApi(LookUp));
  Describe();
  g_description[0] = 0;
  EXPECT_FALSE(FindApi(LookUp));

  g_version = "3.11.2 (main, Mar 13 2023, 12:18:29) [GCC 12.2.0]";
  EXPECT_TRUE(FindApi(LookUp));
  ASSERT_NE(FoundApi(), nullptr);
  EXPECT_EQ(FoundApi()->minor, 11);
  EXPECT_EQ(reinterpret_cast<void (*)()>(FoundApi()->PyGILState_GetThisThreadState), &Nothing);
  EXPECT_EQ(dlerror(), nullptr);
  EXPECT_TRUE(FindApi(FindNothing));
}

}  // namespace
}  // namespace pqleash::stack::python
