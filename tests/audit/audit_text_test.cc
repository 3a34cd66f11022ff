// SPDX-License-Identifier: Apache-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "reporter/render/audit.h"
#include "tests/audit/example_audit.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Text(const AuditReport& audit, bool colour = false) {
  std::ostringstream text;
  RenderAuditText(audit, {colour, false}, text);
  return text.str();
}

TEST(AuditTextTest, SaysWhatBecameOfEachFinding) {
  const std::string text = Text(ExampleAudit());
  EXPECT_THAT(text, StartsWith("pqleash audit of 0 processes, 0 connections opened: 1 finding "
                               "fails, 1 known, 1 suppressed\n"));
  EXPECT_THAT(text, HasSubstr("Findings (1)\n  1. critical: leak-suspect (proven)\n"));
  EXPECT_THAT(text, HasSubstr("#0 Open  /srv/shop/src/Open.cc:12\n"));
  EXPECT_THAT(text, HasSubstr("Known from b.json (2, of these 1 no longer seen)\n"
                              "  - leak-suspect at Known (/srv/shop/src/Known.cc:12): 2 "
                              "connections, 1 in the baseline\n"
                              "  - no longer seen: lost-handle: gone\n"));
  EXPECT_THAT(text, HasSubstr("  - leak:Pool (x.supp:3): 1 finding, 2 connections\n"
                              "  - leak:Never (x.supp:4): never matched\n"));
  EXPECT_THAT(text, HasSubstr("Notes\n  - a note.\n"));
  EXPECT_THAT(text, HasSubstr("ledger 1 could not be read"));
}

TEST(AuditTextTest, KnownThatHasNotGrownSaysNoMore) {
  AuditReport audit = ExampleAudit();
  audit.findings[1].known_connections = 2;
  EXPECT_THAT(Text(audit), HasSubstr("Known.cc:12): 2 connections\n"));
}

TEST(AuditTextTest, HowTheProgramEnded) {
  AuditReport audit = ExampleAudit();
  audit.program.exit_code = 5;
  EXPECT_THAT(Text(audit), HasSubstr("; the program ended with exit code 5\n"));
  audit.program.exit_code = -1;
  audit.program.signal = 9;
  EXPECT_THAT(Text(audit), HasSubstr("; the program ended with signal 9 (SIGKILL)\n"));
}

TEST(AuditTextTest, NothingHostileReachesTheTerminal) {
  std::string every;
  for (int byte = 1; byte < 256; ++byte) every += static_cast<char>(byte);
  for (const char byte : Text(ExampleAudit(every)))
    ASSERT_TRUE(byte == '\n' || (byte >= ' ' && byte <= '~')) << static_cast<int>(byte);
  EXPECT_THAT(Text(ExampleAudit(), /*colour=*/true), HasSubstr("\x1b[1;31m"));
  EXPECT_THAT(Text(ExampleAudit()), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace pqleash::reporter
