// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/loader_state.h"

#include <gtest/gtest.h>

namespace pqleash {
namespace {

using Visit = int (*)(dl_phdr_info*, size_t, void*);

int asked = 0;

int Answer(unsigned long long added, Visit visit, void* data) {
  ++asked;
  dl_phdr_info info = {};
  info.dlpi_adds = added;
  info.dlpi_subs = added / 2;
  return visit(&info, sizeof info, data);
}

int Seven(Visit visit, void* data) { return Answer(7, visit, data); }

LoaderState in_handler;

// As where a signal comes while the lock is taken.
int Interrupted(Visit visit, void* data) {
  in_handler = ReadLoaderStateBy(Seven);
  return Answer(9, visit, data);
}

TEST(LoaderState, IsTheDynamicLinkers) {
  const LoaderState state = ReadLoaderState();
  EXPECT_GT(state.added, 0u);
  EXPECT_EQ(state, ReadLoaderState());
}

TEST(LoaderState, IsWhatWasReadLastInAHandlerThatInterruptsTheReading) {
  ASSERT_EQ(ReadLoaderStateBy(Seven), (LoaderState{7, 3}));
  asked = 0;
  EXPECT_EQ(ReadLoaderStateBy(Interrupted), (LoaderState{9, 4}));
  EXPECT_EQ(asked, 1) << "the handler must not wait for the lock";
  EXPECT_EQ(in_handler, (LoaderState{7, 3}));
  EXPECT_EQ(ReadLoaderStateBy(Seven), (LoaderState{7, 3})) << "it is read again afterwards";
  EXPECT_EQ(asked, 2);
}

TEST(LoaderCall, KnowsTheCallThatItIsIn) {
  const LoaderCall outer;
  EXPECT_FALSE(outer.nested());
  {
    const LoaderCall inner;
    EXPECT_TRUE(inner.nested());
  }
  EXPECT_TRUE(LoaderCall().nested()) << "the outer call is still under way";
}

}  // namespace
}  // namespace pqleash
