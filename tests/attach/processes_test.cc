// SPDX-License-Identifier: Apache-2.0
//
// `pqleash attach` on processes of other kinds, and at awkward moments.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>

#include "tests/attach/attached.h"

namespace pqleash::testing {
namespace {

using ::testing::HasSubstr;

class AttachProcess : public Attach {
 protected:
  // What is open is adopted, and what comes later is recorded.
  void Check(Subprocess* told) const {
    ASSERT_TRUE(Tell(told, "open 2"));
    const Outcome attached = AttachTo(*told);
    ASSERT_EQ(attached.exit_code, 0) << attached.err;
    EXPECT_THAT(attached.out, HasSubstr("2 connections that were open already"));
    ASSERT_TRUE(Tell(told, "open 1"));
    ASSERT_TRUE(Tell(told, "exec"));
    ASSERT_TRUE(Tell(told, "close"));
    EXPECT_EQ(Now(), (Totals{1, 2, 3, 1, 0}));
    ASSERT_EQ(Do("detach", *told).exit_code, 0);
    ASSERT_TRUE(Tell(told, "open 1"));
    EXPECT_EQ(Now().opened, 3U);
    ExpectEnd(told);
  }
};

TEST_F(AttachProcess, BoundNow) { Check(Start({PQLEASH_TEST_TOLD_NOW}).get()); }

TEST_F(AttachProcess, WithoutAProcedureTable) { Check(Start({PQLEASH_TEST_TOLD_NO_PLT}).get()); }

TEST_F(AttachProcess, WithAnotherAllocator) {
  const Outcome found =
      RunToEnd({.arguments = {"sh", "-c", "ls /usr/lib/*/libjemalloc.so.2 | head -n 1"}});
  const std::string library = found.out.substr(0, found.out.find('\n'));
  if (library.empty()) GTEST_SKIP() << "not installed: libjemalloc2";
  Check(Start({PQLEASH_TEST_TOLD}, {{"LD_PRELOAD", library}}).get());
}

TEST_F(AttachProcess, ThatComputes) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_TRUE(Tell(told.get(), "open 1"));
  ASSERT_TRUE(told->Write("spin\n"));
  ASSERT_TRUE(told->WaitForOutput("spinning"));
  const Outcome attached = AttachTo(*told);
  ASSERT_EQ(attached.exit_code, 0) << attached.err;
  ASSERT_TRUE(Tell(told.get(), "open 1"));
  EXPECT_EQ(Now().open, 2U);
  ExpectEnd(told.get());
}

// Its one thread is in the dynamic linker, and leaves it while the tool waits.
TEST_F(AttachProcess, InAConstructor) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_TRUE(told->Write(std::string("load ") + PQLEASH_TEST_SLOW + "\n"));
  ASSERT_TRUE(told->WaitForOutput("constructing"));
  const Outcome attached = AttachTo(*told);
  EXPECT_TRUE(attached.exit_code == 0 ||
              attached.err.find("in the dynamic linker") != std::string::npos)
      << attached.err;
  ASSERT_TRUE(Tell(told.get(), "open 1"));
  ExpectEnd(told.get());
}

TEST_F(AttachProcess, TwiceAtOnce) {
  for (int i = 0; i < 5; ++i) {
    const auto told = Start({PQLEASH_TEST_TOLD});
    ASSERT_TRUE(Tell(told.get(), "open 2"));
    Subprocess one(AttachCommand(*told));
    Subprocess other(AttachCommand(*told));
    const Outcome first = one.Wait();
    const Outcome second = other.Wait();
    EXPECT_TRUE(first.exit_code == 0 || second.exit_code == 0) << first.err << second.err;
    ASSERT_TRUE(Tell(told.get(), "open 1"));
    ASSERT_TRUE(Tell(told.get(), "exec"));
    ExpectEnd(told.get());
  }
}

TEST_F(AttachProcess, ThatEndsMeanwhile) {
  for (int i = 0; i < 12; ++i) {
    const auto told = Start({PQLEASH_TEST_TOLD});
    ASSERT_TRUE(Tell(told.get(), "open 2"));
    Subprocess tool(AttachCommand(*told));
    usleep(static_cast<useconds_t>(10'000 * i));  // the end comes at any moment, which is the point
    ExpectEnd(told.get());
    const Outcome& attached = tool.Wait();
    EXPECT_TRUE(attached.exit_code == 0 || attached.exit_code == 1) << HowItEnded(attached);
    EXPECT_EQ(attached.exit_code == 0, attached.err.empty()) << attached.err;
  }
}

// A container: the process has pids of its own, and does not see the library's file.
TEST_F(AttachProcess, InNamespaces) {
  const std::string hide = "mount -t tmpfs none " + std::string(PQLEASH_TEST_LIBRARY_DIRECTORY) +
                           " && exec " + PQLEASH_TEST_TOLD;
  const Words unshare = {"unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"};
  Words trial = unshare;
  trial.emplace_back("true");
  if (RunToEnd({.arguments = trial}).exit_code != 0) GTEST_SKIP() << "namespaces cannot be made";
  Words words = unshare;
  words.insert(words.end(), {"sh", "-c", hide});
  const auto told = Start(words);
  const std::string task = std::to_string(told->pid());
  std::ifstream children("/proc/" + task + "/task/" + task + "/children");
  std::string child;
  ASSERT_TRUE(children >> child);
  ASSERT_TRUE(Tell(told.get(), "open 2"));
  const Outcome attached = observed_.Tool({"attach", child});
  ASSERT_EQ(attached.exit_code, 0) << attached.err;
  EXPECT_THAT(attached.out, HasSubstr("2 connections that were open already"));
  ASSERT_TRUE(Tell(told.get(), "open 1"));
  EXPECT_EQ(Now().open, 3U);
  EXPECT_EQ(std::to_string(observed_.Report()["processes"][0]["pid"].get<int>()), child);
  EXPECT_EQ(observed_.Tool({"detach", child}).exit_code, 0);
  ExpectEnd(told.get());
}

TEST_F(AttachProcess, ChildrenOfOne) {
  const auto told = Start({PQLEASH_TEST_TOLD});
  ASSERT_TRUE(Tell(told.get(), "keep"));
  const Outcome attached = AttachTo(*told, {"--children"});
  ASSERT_EQ(attached.exit_code, 0) << attached.err;
  ASSERT_TRUE(Tell(told.get(), "release"));
  const Totals now = Now();
  EXPECT_EQ(now.processes, 2U);
  EXPECT_EQ(now.opened, 1U);
  ExpectEnd(told.get());
}

}  // namespace
}  // namespace pqleash::testing
