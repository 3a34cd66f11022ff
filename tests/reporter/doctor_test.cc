// SPDX-License-Identifier: Apache-2.0
//
// The doctor's judgements, on facts that are made up.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "reporter/doctor/directory.h"
#include "reporter/doctor/installation.h"
#include "reporter/doctor/kernel.h"
#include "reporter/doctor/observed.h"
#include "reporter/doctor/program.h"

namespace pqleash::reporter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 'ok library, fail preload'.
std::string Verdicts(const std::vector<Check>& checks) {
  constexpr const char* kNames[] = {"ok", "warn", "fail"};
  std::string text;
  for (const Check& check : checks) {
    text += (text.empty() ? "" : ", ") +
            (std::string(kNames[static_cast<int>(check.verdict)]) + " " + check.what);
    EXPECT_FALSE(check.detail.empty()) << check.what;
    EXPECT_FALSE(check.detail.ends_with('.')) << check.detail;
    EXPECT_EQ(check.advice.empty(), check.verdict == Verdict::kOk) << check.what;
  }
  return text;
}

// `change` makes a good thing bad.
template <typename Facts>
struct Case {
  const char* what;
  void (*change)(Facts*);
  const char* verdicts;
};

TEST(DoctorTest, Installation) {
  const Case<Installation> cases[] = {
      {"good", [](Installation*) {}, "ok library, ok preload"},
      {"none", [](Installation* i) { i->library.clear(); }, "fail library"},
      {"unusable", [](Installation* i) { i->problem = "cannot be used"; }, "fail library"},
      {"other version", [](Installation* i) { i->version = "0.0.9"; }, "fail library, ok preload"},
      {"no version", [](Installation* i) { i->version.reset(); }, "fail library, ok preload"},
      {"not tried", [](Installation* i) { i->tried = false; }, "ok library, warn preload"},
      {"not started", [](Installation* i) { i->start_error = ENOENT; }, "ok library, warn preload"},
      {"linker's complaint", [](Installation* i) { i->output = "ERROR: ld.so: …"; },
       "ok library, fail preload"},
      {"exit code", [](Installation* i) { i->wait_status = 127 << 8; }, "ok library, fail preload"},
      {"signal", [](Installation* i) { i->wait_status = 11; }, "ok library, fail preload"},
  };
  for (const auto& test : cases) {
    Installation facts;
    facts.tool_version = "0.1.0";
    facts.version = "0.1.0";
    facts.library = "/usr/lib/libpqleash.so";
    facts.tried = true;
    test.change(&facts);
    EXPECT_EQ(Verdicts(Judge(facts)), test.verdicts) << test.what;
  }
}

TEST(DoctorTest, Directory) {
  const Case<LedgerDirectory> cases[] = {
      {"good", [](LedgerDirectory*) {}, "ok ledger directory, ok space for ledgers, ok ledgers"},
      {"not there yet", [](LedgerDirectory* d) { d->exists = false; },
       "ok ledger directory, ok space for ledgers"},
      {"unusable", [](LedgerDirectory* d) { d->problem = "it is a link"; },
       "fail ledger directory"},
      {"little space", [](LedgerDirectory* d) { d->free_bytes = (64 << 20) - 1; },
       "ok ledger directory, warn space for ledgers, ok ledgers"},
      {"just enough", [](LedgerDirectory* d) { d->free_bytes = 64 << 20; },
       "ok ledger directory, ok space for ledgers, ok ledgers"},
      {"no space", [](LedgerDirectory* d) { d->free_bytes = (1 << 20) - 1; },
       "ok ledger directory, fail space for ledgers, ok ledgers"},
      {"unknown space", [](LedgerDirectory* d) { d->free_bytes.reset(); },
       "ok ledger directory, warn space for ledgers, ok ledgers"},
      {"unreadable", [](LedgerDirectory* d) { d->unreadable = {"ledger x is damaged"}; },
       "ok ledger directory, ok space for ledgers, warn ledgers"},
  };
  for (const auto& test : cases) {
    LedgerDirectory facts;
    facts.path = "/dev/shm/pqleash-1000";
    facts.exists = true;
    facts.free_bytes = uint64_t{1} << 33;
    test.change(&facts);
    EXPECT_EQ(Verdicts(Judge(facts)), test.verdicts) << test.what;
  }
}

TEST(DoctorTest, Kernel) {
  const auto verdicts = [](Kernel kernel) {
    std::string text;
    for (const Check& check : Judge(kernel)) {
      text += check.verdict == Verdict::kOk ? 'o' : check.verdict == Verdict::kWarn ? 'w' : 'f';
    }
    return text;
  };
  EXPECT_EQ(verdicts({true, true, 0, false}), "ooo");
  EXPECT_EQ(verdicts({true, true, std::nullopt, false}), "ooo");
  EXPECT_EQ(verdicts({true, true, 1, false}), "oow");
  EXPECT_EQ(verdicts({true, true, 3, false}), "oow");
  EXPECT_EQ(verdicts({true, true, 2, true}), "ooo");
  EXPECT_EQ(verdicts({false, false, 0, true}), "wwo");
  EXPECT_TRUE(HasTraceCapability("Name:\tx\nCapEff:\t000001ffffffffff\n"));
  EXPECT_TRUE(HasTraceCapability("CapEff:\t0000000000080000\n"));
  EXPECT_FALSE(HasTraceCapability("CapEff:\t0000000000040000\n"));
  EXPECT_FALSE(HasTraceCapability("CapEff:\tmany\n"));
  EXPECT_FALSE(HasTraceCapability(""));
}

Program GoodProgram() {
  Program program;
  program.name = "orders";
  program.path = "/opt/orders/bin/orders";
  program.elf = true;
  program.loader = "/lib64/ld-linux-x86-64.so.2";
  program.needs_libpq = true;
  program.symbols = {true, LineNumbers::kOwn, "abcd"};
  return program;
}

TEST(DoctorTest, Program) {
  const Case<Program> cases[] = {
      {"good", [](Program*) {}, "ok program, ok unwind tables, ok line numbers"},
      {"not found", [](Program* p) { p->path.clear(); }, "fail program"},
      {"no ELF file", [](Program* p) { p->elf = false; }, "warn program"},
      {"static", [](Program* p) { p->loader.clear(); }, "fail program"},
      {"musl", [](Program* p) { p->loader = "/lib/ld-musl-x86_64.so.1"; }, "fail program"},
      {"set-user-ID", [](Program* p) { p->privileged = true; }, "fail program"},
      {"capabilities", [](Program* p) { p->capabilities = true; }, "fail program"},
      {"libpq in it", [](Program* p) { p->contains_libpq = true; }, "fail program"},
      {"no unwind tables", [](Program* p) { p->symbols.unwind_tables = false; },
       "ok program, warn unwind tables, ok line numbers"},
      {"no lines", [](Program* p) { p->symbols.lines = LineNumbers::kNone; },
       "ok program, ok unwind tables, warn line numbers"},
      {"shell script", [](Program* p) { p->script = "/opt/orders/start"; }, "ok program"},
      {"lines of an interpreter do not matter",
       [](Program* p) {
         p->symbols.lines = LineNumbers::kNone;
         p->language = Language::kPython;
       },
       "ok program, ok unwind tables, ok line numbers"},
  };
  for (const auto& test : cases) {
    Program facts = GoodProgram();
    test.change(&facts);
    EXPECT_EQ(Verdicts(Judge(facts)), test.verdicts) << test.what;
  }
}

TEST(DoctorTest, LooksAtThisTest) {
  const Program program = LookAtProgram("test", "/proc/self/exe");
  EXPECT_TRUE(program.elf);
  EXPECT_TRUE(program.symbols.unwind_tables);
  EXPECT_EQ(Obstacle(program), "");
  EXPECT_FALSE(LookAtProgram("static", PQLEASH_STATIC_SUBJECT).loader.size() > 0);
  EXPECT_EQ(LookAtProgram("stripped", PQLEASH_SUBJECT_STRIPPED).symbols.lines == LineNumbers::kOwn,
            false);
  EXPECT_EQ(LookAtProgram("subject", PQLEASH_SUBJECT).symbols.lines, LineNumbers::kOwn);
}

Snapshot GoodSnapshot() {
  Snapshot snapshot;
  snapshot.totals.opened = 3;
  snapshot.libpq_copies = {{"/usr/lib/libpq.so.5.15", 150018, {true, false, false}}};
  snapshot.process.intercepted = {true, true};
  return snapshot;
}

struct Seen {
  Snapshot snapshot = GoodSnapshot();
  MappedFiles mapped;
};

TEST(DoctorTest, Ledger) {
  const Case<Seen> cases[] = {
      {"good", [](Seen*) {}, "ok connects, ok libpq"},
      {"same libpq mapped", [](Seen* s) { s->mapped.libpq = {"/usr/lib/libpq.so.5.15"}; },
       "ok connects, ok libpq"},
      {"another one mapped", [](Seen* s) { s->mapped.libpq = {"/x/libpq-1.so"}; },
       "ok connects, ok libpq, warn libpq"},
      {"frames taken", [](Seen* s) { s->snapshot.process.interpreters = {Language::kRuby}; },
       "ok connects, ok libpq, ok frames of ruby"},
      {"interpreter without frames", [](Seen* s) { s->mapped.interpreters = {Language::kRuby}; },
       "ok connects, ok libpq, warn frames of ruby"},
      {"interpreter before the first connect",
       [](Seen* s) {
         s->mapped.interpreters = {Language::kRuby};
         s->snapshot.totals.opened = 0;
       },
       "ok connects, ok libpq, ok frames of ruby"},
      {"bypass", [](Seen* s) { s->snapshot.totals.bypassed_closes = 2; },
       "ok connects, ok libpq, warn coverage"},
      {"warning", [](Seen* s) { s->snapshot.warnings = {"2 strings found no room"}; },
       "ok connects, ok libpq, warn ledger"},
  };
  for (const auto& test : cases) {
    Seen facts;
    test.change(&facts);
    EXPECT_EQ(Verdicts(JudgeLedger(facts.snapshot, facts.mapped)), test.verdicts) << test.what;
  }
}

TEST(DoctorTest, RunningProcess) {
  Running running;
  running.pid = 7;
  running.why_no_ledger = "process 7 has no ledger: there is no such process";
  EXPECT_EQ(Verdicts(Judge(running)), "fail ledger");
  running.may_look = true;
  EXPECT_EQ(Verdicts(Judge(running)), "fail ledger");
  running.mapped.library = true;
  EXPECT_EQ(Verdicts(Judge(running)), "warn ledger");
  running.snapshot = GoodSnapshot();
  EXPECT_EQ(Verdicts(Judge(running)), "ok connects, ok libpq");
}

TEST(DoctorTest, TrialRun) {
  const Case<Trial> cases[] = {
      {"good", [](Trial* t) { t->snapshots = {GoodSnapshot()}; },
       "ok trial run, ok connects, ok libpq"},
      {"none", [](Trial* t) { t->problem = "PQLEASH_DISABLE=1 is set"; }, "fail trial run"},
      {"no connect", [](Trial*) {}, "ok trial run, warn ledger"},
      {"exit code", [](Trial* t) { t->wait_status = 3 << 8; }, "warn trial run, warn ledger"},
      {"signal", [](Trial* t) { t->wait_status = 6; }, "warn trial run, warn ledger"},
      {"log", [](Trial* t) { t->log_problems = {"directory x is a link"}; },
       "ok trial run, fail ledger, warn log"},
      {"unreadable", [](Trial* t) { t->unreadable = {"ledger x has format version 3"}; },
       "ok trial run, fail ledger"},
  };
  for (const auto& test : cases) {
    Trial facts;
    test.change(&facts);
    EXPECT_EQ(Verdicts(Judge(facts, GoodProgram())), test.verdicts) << test.what;
  }
  Program program = GoodProgram();
  program.loader.clear();
  const std::vector<Check> checks = Judge(Trial(), program);
  EXPECT_EQ(Verdicts(checks), "ok trial run, fail ledger");
  EXPECT_THAT(checks[1].detail, HasSubstr("statically linked"));
}

TEST(DoctorTest, LogProblems) {
  EXPECT_THAT(LogProblems("2026-11-21T12:40:03.123Z pqleash[7] info: pqleash 0.1.0\n"
                          "2026-11-21T12:40:03.124Z pqleash[7] error: limit: 'x' is no number\n"
                          "2026-11-21T12:40:03.125Z pqleash[8] error: limit: 'x' is no number\n"
                          "2026-11-21T12:40:03.125Z pqleash[7] warning: no room"),
              ElementsAre("limit: 'x' is no number", "no room"));
  EXPECT_TRUE(LogProblems("").empty());
}

}  // namespace
}  // namespace pqleash::reporter
