// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/coverage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;

const LibpqCopy kBound = {"/usr/lib/libpq.so.5", 150018, {true, false, false}};
const LibpqCopy kLookedUp = {"/x/libpq-1.so", 0, {true, true, false}};

TEST(CoverageTest, PlainOrNot) {
  struct Case {
    const char* what;
    void (*change)(Coverage*);
    bool plain;
  };
  const Case cases[] = {
      {"one, bound", [](Coverage*) {}, true},
      {"nothing yet", [](Coverage* c) { c->copies.clear(); }, true},
      {"two", [](Coverage* c) { c->copies.push_back(kBound); }, false},
      {"looked up", [](Coverage* c) { c->copies = {kLookedUp}; }, false},
      {"interpreter", [](Coverage* c) { c->interpreters = {Language::kPython}; }, true},
      {"calls", [](Coverage* c) { c->bypassed_calls = 1; }, false},
      {"closes", [](Coverage* c) { c->bypassed_closes = 1; }, false},
      {"look-ups", [](Coverage* c) { c->uncovered_lookups = 1; }, false}};
  for (const Case& test : cases) {
    Coverage coverage;
    coverage.copies = {kBound};
    test.change(&coverage);
    EXPECT_EQ(IsPlain(coverage), test.plain) << test.what;
  }
}

TEST(CoverageTest, CopiesInWords) {
  EXPECT_EQ(DescribeCopy(kBound), "libpq 15.18 (/usr/lib/libpq.so.5): bound by the dynamic linker");
  EXPECT_EQ(DescribeCopy(kLookedUp),
            "libpq of unknown version (/x/libpq-1.so): bound by the dynamic linker, looked up with "
            "dlsym");
  EXPECT_EQ(DescribeCopy({"", 160002, {}}), "libpq 16.2 (path not known): no call seen yet");
}

TEST(CoverageTest, AdviceDependsOnWhatIsIntercepted) {
  Coverage coverage;
  coverage.bypassed_calls = 2;
  EXPECT_THAT(Bypasses(coverage)[0].what, HasSubstr("2 calls of libpq were for"));
  EXPECT_THAT(Bypasses(coverage)[0].advice, HasSubstr("switched off look-ups with dlsym and"));
  coverage.intercepted.look_ups = true;
  EXPECT_THAT(Bypasses(coverage)[0].advice, HasSubstr("switched off RTLD_DEEPBIND:"));
  coverage.intercepted.deep_bind = true;
  EXPECT_THAT(Bypasses(coverage)[0].advice, HasSubstr("cannot be seen"));
}

}  // namespace
}  // namespace pqleash::reporter
