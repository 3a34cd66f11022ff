// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/target.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <ostream>

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;

TargetFacts Ordinary() {
  TargetFacts facts;
  facts.pid = 42;
  facts.exists = true;
  facts.readable = true;
  facts.has_program = true;
  facts.program = "orders";
  facts.machine = EM_X86_64;
  facts.own_machine = EM_X86_64;
  facts.is_64_bit = true;
  facts.has_glibc = true;
  return facts;
}

TEST(WhyNotAttach, NothingIsInTheWayOfAnOrdinaryProgram) {
  EXPECT_EQ(WhyNotAttach(Ordinary(), false), std::nullopt);
}

struct Case {
  const char* name;
  std::function<void(TargetFacts&)> change;
  const char* says;
};

void PrintTo(const Case& each, std::ostream* out) { *out << each.name; }

class Refusal : public ::testing::TestWithParam<Case> {};

TEST_P(Refusal, SaysWhyAndWhom) {
  TargetFacts facts = Ordinary();
  GetParam().change(facts);
  const auto why = WhyNotAttach(facts, false);
  ASSERT_TRUE(why);
  EXPECT_THAT(*why, HasSubstr(GetParam().says));
  EXPECT_THAT(*why, HasSubstr("42"));
}

INSTANTIATE_TEST_SUITE_P(
    Each, Refusal,
    ::testing::Values(
        Case{"gone", [](TargetFacts& f) { f.exists = false; }, "there is no process"},
        Case{"kernel", [](TargetFacts& f) { f.has_program = false; }, "runs no program"},
        Case{"traced", [](TargetFacts& f) { f.tracer = 7; }, "is traced by process 7"},
        Case{"other_user",
             [](TargetFacts& f) {
               f.readable = false;
               f.why_unreadable = "it belongs to another user: run pqleash as its user, or as root";
             },
             "as root"},
        Case{"set_user_id", [](TargetFacts& f) { f.secure = true; }, "set-user-ID"},
        Case{"postgres", [](TargetFacts& f) { f.program = "postgres"; }, "left alone"},
        Case{"disabled", [](TargetFacts& f) { f.disabled = true; }, "PQLEASH_DISABLE"},
        Case{"musl", [](TargetFacts& f) { f.has_musl = true; }, "musl"},
        Case{"static", [](TargetFacts& f) { f.has_glibc = false; }, "statically linked"},
        Case{"arm_program", [](TargetFacts& f) { f.machine = EM_AARCH64; }, "another architecture"},
        Case{"arm_tool", [](TargetFacts& f) { f.own_machine = EM_AARCH64; }, "pqleash run"},
        Case{"32_bit", [](TargetFacts& f) { f.is_64_bit = false; }, "another architecture"},
        Case{"shadow_stack", [](TargetFacts& f) { f.shadow_stack = true; }, "shadow stack"},
        Case{"stopped", [](TargetFacts& f) { f.stopped = true; }, "kill -CONT 42"},
        Case{"strict", [](TargetFacts& f) { f.seccomp = 1; }, "strict mode"},
        Case{"filter", [](TargetFacts& f) { f.seccomp = 2; }, "--force"}),
    [](const auto& each) { return each.param.name; });

TEST(WhyNotAttach, AFilterIsAcceptedWhereItIsAskedFor) {
  TargetFacts facts = Ordinary();
  facts.seccomp = 2;
  EXPECT_EQ(WhyNotAttach(facts, true), std::nullopt);
}

TEST(ReadTargetFacts, OfThisProcess) {
  const TargetFacts facts = ReadTargetFacts(getpid());
  EXPECT_TRUE(facts.exists && facts.readable && facts.has_program && facts.has_glibc);
  EXPECT_TRUE(facts.is_64_bit);
  EXPECT_FALSE(facts.secure);
  EXPECT_EQ(facts.machine, facts.own_machine);
  EXPECT_EQ(facts.program, "attach_parts_test");
}

}  // namespace
}  // namespace pqleash::reporter
