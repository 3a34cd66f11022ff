// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/thread_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;

using Stack = std::vector<CodePlace>;

TEST(WhyNotHere, AThreadThatWaitsInItsOwnCode) {
  const Stack stack = {{"libc.so.6", "__poll"}, {"orders", "Serve"}, {"libc.so.6", "clone3"}};
  EXPECT_EQ(WhyNotHere(stack, true), "");
}

TEST(WhyNotHere, AStackWithoutAnEnd) {
  EXPECT_THAT(WhyNotHere({{"libc.so.6", "poll"}}, false), HasSubstr("followed to the end"));
  EXPECT_THAT(WhyNotHere({}, true), HasSubstr("followed to the end"));
}

TEST(WhyNotHere, WhereverItIs) {
  for (const CodePlace& place : Stack{{"libc.so.6", "malloc"},
                                      {"libc.so.6", "__libc_malloc"},
                                      {"libc.so.6", "free"},
                                      {"ld-linux-x86-64.so.2", ""},
                                      {"libc.so.6", "dl_iterate_phdr"},
                                      {"libc.so.6", "fork"},
                                      {"libc.so.6", "__libc_fork"},
                                      {"libc.so.6", "exit"},
                                      {"libc.so.6", "pthread_create"},
                                      {"libjemalloc.so.2", "anything"},
                                      {"orders", "je_malloc_mutex_lock_slow"},
                                      {"libtcmalloc_minimal.so.4", ""}}) {
    const Stack stack = {{"libc.so.6", "futex"}, place, {"orders", "main"}};
    EXPECT_NE(WhyNotHere(stack, true), "") << place.file << ' ' << place.function;
  }
}

TEST(WhyNotHere, NamesThatOnlyBeginAlike) {
  for (const char* function : {"freely", "mallocate", "exiting", "dlopen_of_ours", "forked"}) {
    EXPECT_EQ(WhyNotHere({{"orders", function}, {"orders", "_start"}}, true), "") << function;
  }
}

}  // namespace
}  // namespace pqleash::reporter
