// SPDX-License-Identifier: Apache-2.0

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "shim/interpose/function.h"

namespace pqleash {
namespace {

TEST(Functions, AreListedOnce) {
  std::set<std::string> names(kFunctionNames, kFunctionNames + kFunctionCount);
  EXPECT_EQ(names.size(), kFunctionCount);
}

// A name that no libpq has would be a wrapper that nobody calls. Those that came with 17 are not in
// an older libpq.
TEST(Functions, AreLibpqs) {
  static const std::set<std::string> kSince17 = {
      "PQclosePrepared",  "PQclosePortal",      "PQsendClosePrepared", "PQsendClosePortal",
      "PQchangePassword", "PQsendPipelineSync", "PQcancelCreate",      "PQcancelStart",
      "PQcancelBlocking", "PQcancelPoll",       "PQcancelReset",       "PQcancelFinish"};
  void* libpq = dlopen(PQLEASH_LIBPQ, RTLD_LAZY | RTLD_LOCAL);
  ASSERT_NE(libpq, nullptr) << dlerror();
  for (const char* name : kFunctionNames) {
    if (kSince17.count(name) == 0) {
      EXPECT_NE(dlsym(libpq, name), nullptr) << name;
    }
  }
  dlclose(libpq);
}

}  // namespace
}  // namespace pqleash
