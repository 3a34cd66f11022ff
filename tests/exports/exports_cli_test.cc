// SPDX-License-Identifier: Apache-2.0
//
// `pqleash report --format … --output …` as its users meet it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "reporter/render/pprof.h"
#include "reporter/symbols/module_symbols.h"
#include "tests/exports/profile_reader.h"
#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"
#include "tests/reporter/subprocess.h"

namespace pqleash::reporter {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ExportsCliTest : public ::testing::Test {
 protected:
  ExportsCliTest() {
    LedgerBuilder ledger = ExampleLedger();
    const uint32_t top =
        ledger.AddScriptFrame(ledger::kPython, "<module>", "/srv/orders/app.py", 9);
    ledger.AddConnection(ledger.AddCallSite(0x7777, {ScriptFrameAt(top)}), 1, 5, 1'999, 7);
    ledger.WriteTo(ledger_);
  }

  Outcome Report(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {PQLEASH_TOOL, "report", ledger_});
    return Execute(arguments);
  }

  const ScratchDirectory directory_;
  const std::string ledger_ = directory_.Path("4711-5000.ledger");
};

TEST_F(ExportsCliTest, FormatsOnStdoutAndInFilesAreTheSame) {
  struct Case {
    const char* format;
    const char* begin;
  };
  const Case cases[] = {
      {"text", "pqleash report, "}, {"json", "{\n  \"schema\": \"pqleash.report/1\""},
      {"html", "<!doctype html>"},  {"folded", "orders;"},
      {"pprof", "\x1f\x8b"},        {"speedscope", "{\n  \"$schema\""},
      {"markdown", "**"},
  };
  for (const Case& test : cases) {
    const Outcome printed = Report({"--format", test.format});
    EXPECT_THAT(printed.out, StartsWith(test.begin)) << test.format;
    const std::string path = directory_.Path("out");
    const Outcome written = Report({"--format", test.format, "--output", path});
    EXPECT_EQ(written.out, "") << test.format;
    EXPECT_EQ(written.exit_code, printed.exit_code) << written.err;
    EXPECT_THAT(ReadWholeFile(path), StartsWith(test.begin)) << test.format;
    EXPECT_THAT(Report({"--format", test.format, "--output", "-"}).out, StartsWith(test.begin));
  }
}

TEST_F(ExportsCliTest, ReplacesAFileWholeAndKeepsItsModeAndLinks) {
  const std::string path = directory_.Path("out");
  const std::string link = directory_.Path("link");
  WriteFile(path, "before");
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  ASSERT_EQ(symlink(path.c_str(), link.c_str()), 0);
  Report({"--format", "folded", "--output", link});
  EXPECT_THAT(ReadWholeFile(path), StartsWith("orders;"));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  struct stat status = {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
  // The ledger, the file and the link: nothing is left over.
  size_t entries = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(directory_.path())) {
    ++entries;
  }
  EXPECT_EQ(entries, 3u);
}

TEST_F(ExportsCliTest, WhatIsNoFileIsWrittenTo) {
  const Outcome outcome = Report({"--format", "folded", "--output", "/dev/null"});
  EXPECT_EQ(outcome.err, "");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST_F(ExportsCliTest, SaysWhereItCouldNotWrite) {
  const std::string path = directory_.Path("no/such/out");
  const Outcome outcome = Report({"--format", "html", "--output", path});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err,
            "pqleash: the result could not be written to " + path +
                ": No such file or directory; name a file in a directory that you may write to\n");
}

TEST_F(ExportsCliTest, NoEmptyExportWhereNothingCouldBeRead) {
  const std::string path = directory_.Path("out");
  const Outcome outcome = Execute({PQLEASH_TOOL, "report", directory_.Path("missing.ledger"),
                                   "--format", "pprof", "--output", path});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ExportsCliTest, AProfileIsNotWrittenToATerminal) {
  int terminal = -1;
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    execl(PQLEASH_TOOL, PQLEASH_TOOL, "report", ledger_.c_str(), "--format", "pprof", nullptr);
    _exit(127);
  }
  std::string shown;
  char part[1024];
  for (ssize_t size = 0; (size = read(terminal, part, sizeof part)) > 0;) {
    shown.append(part, static_cast<size_t>(size));
  }
  close(terminal);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 2);
  EXPECT_EQ(shown,
            "pqleash: report: a profile for pprof is binary, and stdout is a terminal: name a file "
            "with --output FILE, or redirect stdout\r\n");
}

TEST_F(ExportsCliTest, TheProfileKeepsToTheRules) {
  const Outcome outcome = Report({"--format", "pprof"});
  EXPECT_THAT(BrokenRules(ReadProfile(Gunzip(outcome.out))), IsEmpty());
}

// The public tool, where it is there.
TEST_F(ExportsCliTest, PprofReadsIt) {
  const Outcome go = Execute({"/bin/sh", "-c", "command -v go"});
  if (go.exit_code != 0) GTEST_SKIP() << "no `go tool pprof`: install golang-go";
  const std::string path = directory_.Path("profile.pb.gz");
  Report({"--format", "pprof", "--output", path});
  const Outcome top = Execute({"go", "tool", "pprof", "-top", "-symbolize=none", path},
                              {{"HOME", directory_.path()}});
  EXPECT_EQ(top.exit_code, 0) << top.err;
  EXPECT_THAT(top.out, HasSubstr("Type: connections"));
  EXPECT_THAT(top.out, HasSubstr("handle_order"));
  EXPECT_THAT(top.out, HasSubstr("<module>"));
  const Outcome tags =
      Execute({"go", "tool", "pprof", "-tags", path}, {{"HOME", directory_.path()}});
  EXPECT_THAT(tags.out, HasSubstr("shop@10.0.0.3")) << tags.err;
}

// Address of `function` in the ELF file, as nm knows it; 0: it does not.
uint64_t AddressOf(const std::string& file, const std::string& function) {
  std::istringstream symbols(Execute({"nm", file}).out);
  for (std::string line; std::getline(symbols, line);) {
    if (line.size() > 19 && line.substr(19) == function) return std::stoull(line, nullptr, 16);
  }
  return 0;
}

// By pprof's rule (internal/elfexec, GetBase) for position-independent programs and for others: an
// address minus start, plus offset, is one in the file; the segment's place says which in memory.
TEST(PprofSymbolsTest, AddressesLeadToTheFilesSymbols) {
  for (const char* file : {PQLEASH_MOVABLE_SUBJECT, PQLEASH_FIXED_SUBJECT}) {
    const uint64_t function = AddressOf(file, "main");
    ASSERT_NE(function, 0u) << file;
    const ModuleSymbols symbols(ModuleFile{file, "", false, 0});
    const std::optional<CodeSegment> code = symbols.Code();
    ASSERT_TRUE(code.has_value()) << file << ": " << symbols.note();
    pqleash::reporter::Report report;
    report.modules = {{file, "", 0, 0x100000, code}};
    ReportCallSite site;
    site.frames.emplace_back();
    site.frames[0].module = file;
    site.frames[0].offset = function + 5;  // behind a call of five bytes at its begin
    site.connections.emplace_back();
    report.call_sites = {site};
    const Profile profile = ReadProfile(PprofMessage(report));
    ASSERT_EQ(profile.mappings.size(), 1u);
    ASSERT_EQ(profile.locations.size(), 1u);
    const ProfileMapping& mapping = profile.mappings[0];
    EXPECT_FALSE(mapping.has_functions);  // else pprof would not look
    const uint64_t base =
        mapping.memory_start - mapping.file_offset + code->file_offset - code->address;
    EXPECT_EQ(profile.locations[0].address - base, function + 4) << file;
    // It takes a segment that begins after the mapping does for that of another mapping.
    EXPECT_GE(mapping.file_offset, code->file_offset / 4096 * 4096) << file;
  }
}

}  // namespace
}  // namespace pqleash::reporter
