// SPDX-License-Identifier: Apache-2.0

#include "reporter/audit/fingerprint.h"

#include <gtest/gtest.h>

namespace pqleash::reporter {
namespace {

SourceFrame Native(const std::string& function, const std::string& file, uint32_t line,
                   const std::string& module = "/srv/bin/orders") {
  SourceFrame frame;
  frame.function = function;
  frame.file = file;
  frame.line = line;
  frame.module = module;
  frame.offset = 0x1000 + line;
  return frame;
}

SourceFrame Python(const std::string& function, const std::string& file, uint32_t line) {
  SourceFrame frame = Native(function, file, line, "");
  frame.language = Language::kPython;
  return frame;
}

using Frames = std::vector<SourceFrame>;

const Frames kStack = {Native("Open", "/src/a/db.cc", 10), Native("main", "/src/a/main.cc", 20)};

TEST(FingerprintTest, IsTheSameWhereCodeHasMoved) {
  const auto fingerprint = Fingerprint("leak-suspect", kStack, {});
  ASSERT_TRUE(fingerprint);
  EXPECT_EQ(fingerprint->size(), 16u);
  EXPECT_EQ(fingerprint, Fingerprint("leak-suspect",
                                     {Native("Open", "/builds/7/db.cc", 14),
                                      Native("main", "/builds/7/main.cc", 21)},
                                     {}));
  // What lies below main is the system's.
  Frames deeper = kStack;
  deeper.push_back(Native("__libc_start_call_main", "", 0, "/usr/lib/libc.so.6"));
  EXPECT_EQ(fingerprint, Fingerprint("leak-suspect", deeper, {}));
}

TEST(FingerprintTest, IsAnotherForAnotherPlace) {
  const auto fingerprint = Fingerprint("leak-suspect", kStack, {});
  EXPECT_NE(fingerprint, Fingerprint("lost-handle", kStack, {}));
  EXPECT_NE(fingerprint,
            Fingerprint("leak-suspect", {Native("Read", "/src/a/db.cc", 10), kStack[1]}, {}));
  EXPECT_NE(fingerprint,
            Fingerprint("leak-suspect", {Native("Open", "/src/a/log.cc", 10), kStack[1]}, {}));
  EXPECT_NE(fingerprint, Fingerprint("leak-suspect", {kStack[0]}, {}));
}

TEST(FingerprintTest, ScriptsCountByTheApplicationsFramesAlone) {
  const Frames stack = {Native("psyco_connect", "", 0, "/usr/lib/python3/_psycopg.so"),
                        Python("connect", "/usr/lib/python3/dist-packages/psycopg2/__init__.py", 1),
                        Python("open_report", "/srv/report.py", 3)};
  const auto fingerprint = Fingerprint("leak-suspect", stack, {});
  ASSERT_TRUE(fingerprint);
  EXPECT_EQ(fingerprint,
            Fingerprint("leak-suspect", {Python("open_report", "/home/me/report.py", 99)}, {}));
  EXPECT_NE(fingerprint, Fingerprint("leak-suspect", stack, {"/srv/*"}));
}

TEST(FingerprintTest, NoNamesNoFingerprint) {
  EXPECT_FALSE(Fingerprint("leak-suspect", {}, {}));
  EXPECT_FALSE(Fingerprint("leak-suspect", {Native("", "", 0), Native("", "", 0)}, {}));
}

}  // namespace
}  // namespace pqleash::reporter
