// SPDX-License-Identifier: Apache-2.0

#include "reporter/symbols/symboliser.h"

#include <elfutils/libdwfl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "tests/reporter/ledger_builder.h"
#include "tests/reporter/scratch_directory.h"
#include "tests/reporter/subprocess.h"

namespace pqleash::reporter {
namespace {

using ::testing::EndsWith;

// The offset that a program says it has, as a ledger holds it.
uint64_t OffsetSaidBy(const std::string& program) {
  const std::string out = Execute({program}).out;
  return std::stoull(out.substr(out.find(' ') + 1), nullptr, 16);
}

std::string BuildIdOf(const std::string& path) {
  static const Dwfl_Callbacks kCallbacks = {dwfl_build_id_find_elf, dwfl_standard_find_debuginfo,
                                            dwfl_offline_section_address, nullptr};
  Dwfl* session = dwfl_begin(&kCallbacks);
  Dwfl_Module* module = dwfl_report_offline(session, "subject", path.c_str(), -1);
  GElf_Addr address = 0;
  dwfl_module_getelf(module, &address);
  const unsigned char* bits = nullptr;
  const int size = dwfl_module_build_id(module, &bits, &address);
  std::string build_id(reinterpret_cast<const char*>(bits), static_cast<size_t>(size));
  dwfl_end(session);
  return build_id;
}

uint32_t LineOf(const std::string& remark) {
  std::istringstream source(ReadWholeFile(PQLEASH_SUBJECT_SOURCE));
  std::string line;
  for (uint32_t number = 1; std::getline(source, line); ++number) {
    if (line.ends_with("// " + remark)) return number;
  }
  return 0;
}

TEST(SymboliserTest, ExpandsInlinedFunctions) {
  Symboliser symboliser;
  const ModuleFile module = {PQLEASH_SUBJECT, BuildIdOf(PQLEASH_SUBJECT)};
  const uint64_t offset = OffsetSaidBy(PQLEASH_SUBJECT);
  const std::vector<SourceFrame>& frames = symboliser.Resolve(module, offset);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].function, "int subject::Inner<char const*>(char const*)");
  EXPECT_EQ(frames[0].line, LineOf("line of Inner"));
  EXPECT_TRUE(frames[0].inlined);
  EXPECT_EQ(frames[1].function, "subject::Middle(char const*)");
  EXPECT_EQ(frames[1].line, LineOf("line of Middle"));
  EXPECT_TRUE(frames[1].inlined);
  EXPECT_EQ(frames[2].function, "subject::Outer(char const*)");
  EXPECT_EQ(frames[2].line, LineOf("line of Outer"));
  EXPECT_FALSE(frames[2].inlined);
  for (const SourceFrame& frame : frames) {
    EXPECT_THAT(frame.file, EndsWith("symboliser_subject.cc"));
    EXPECT_GT(frame.column, 0u);
    EXPECT_EQ(frame.module, PQLEASH_SUBJECT);
    EXPECT_EQ(frame.offset, offset) << "the true one, not the one that was looked up";
    EXPECT_EQ(frame.language, Language::kNative);
    EXPECT_EQ(frame.note, "");
  }
}

TEST(SymboliserTest, WithoutSymbolsThereIsModuleAndOffset) {
  Symboliser symboliser;
  const ModuleFile module = {PQLEASH_SUBJECT_STRIPPED, BuildIdOf(PQLEASH_SUBJECT_STRIPPED)};
  const uint64_t offset = OffsetSaidBy(PQLEASH_SUBJECT_STRIPPED);
  const std::vector<SourceFrame>& frames = symboliser.Resolve(module, offset);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].function, "");
  EXPECT_EQ(frames[0].module, PQLEASH_SUBJECT_STRIPPED);
  EXPECT_EQ(frames[0].offset, offset);
  EXPECT_EQ(frames[0].note, "");
}

TEST(SymboliserTest, SymbolTableDoesWithoutDebugInformation) {
  const ScratchDirectory directory;
  const std::string path = directory.Path("subject");
  ASSERT_EQ(Execute({"strip", "--strip-debug", "-o", path, PQLEASH_SUBJECT}).exit_code, 0);
  Symboliser symboliser;
  const std::vector<SourceFrame>& frames =
      symboliser.Resolve({path, BuildIdOf(path)}, OffsetSaidBy(path));
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].function, "subject::Outer(char const*)");
  EXPECT_EQ(frames[0].file, "");
}

TEST(SymboliserTest, RefusesAFileWithAnotherBuildId) {
  Symboliser symboliser;
  const uint64_t offset = OffsetSaidBy(PQLEASH_SUBJECT);
  for (const std::string& build_id : {std::string(), std::string(20, 'x')}) {
    const std::vector<SourceFrame>& frames =
        symboliser.Resolve({PQLEASH_SUBJECT, build_id}, offset);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].function, "");
    EXPECT_EQ(frames[0].note, "file was replaced since");
  }
}

TEST(SymboliserTest, SaysWhyAFileIsOfNoUse) {
  const ScratchDirectory directory;
  WriteFile(directory.Path("text"), "no ELF file");
  WriteFile(directory.Path("short"),
            "\x7f"
            "ELF");
  ASSERT_EQ(mkfifo(directory.Path("fifo").c_str(), 0600), 0);
  struct Case {
    std::string path;
    const char* note;
  };
  const Case cases[] = {
      {directory.Path("text"), "file is not a program or library"},
      {directory.Path("short"), "file is not a program or library"},
      {directory.Path("fifo"), "file not found"},
      {directory.Path("nothing"), "file not found"},
      {"linux-vdso.so.1", "file not found"},
      {"", "file not found"},
  };
  Symboliser symboliser;
  for (const Case& test : cases) {
    const std::vector<SourceFrame>& frames = symboliser.Resolve({test.path, "id"}, 0x1000);
    ASSERT_EQ(frames.size(), 1u) << test.path;
    EXPECT_EQ(frames[0].note, test.note) << test.path;
  }
}

TEST(SymboliserTest, OffsetsThatLeadNowhere) {
  Symboliser symboliser;
  const ModuleFile module = {PQLEASH_SUBJECT, BuildIdOf(PQLEASH_SUBJECT)};
  for (const uint64_t offset : {uint64_t{0}, uint64_t{1}, uint64_t{0xffffffffffff}}) {
    const std::vector<SourceFrame>& frames = symboliser.Resolve(module, offset);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].function, "");
    EXPECT_EQ(frames[0].offset, offset);
  }
}

TEST(SymboliserTest, ProgramThatIsGoneIsReadThroughItsProcess) {
  const ScratchDirectory directory;
  const std::string path = directory.Path("sleep");
  std::filesystem::copy("/bin/sleep", path);
  const std::string build_id = BuildIdOf(path);
  const Subprocess process({path, "60"});
  const std::string exe = "/proc/" + std::to_string(process.pid()) + "/exe";
  for (int i = 0; i < 2'000 && std::filesystem::read_symlink(exe) != path; ++i) usleep(10'000);
  std::filesystem::remove(path);
  Symboliser symboliser;
  EXPECT_EQ(symboliser.Resolve({path, build_id, false, 0}, 0x2000)[0].note, "file not found");
  EXPECT_EQ(symboliser.Resolve({path, build_id, true, process.pid()}, 0x3000)[0].note, "");
  EXPECT_EQ(symboliser.Resolve({path, "other", true, process.pid()}, 0x3000)[0].note,
            "file was replaced since");
}

TEST(CandidatePathsTest, OwnRootComesFirstInAnotherMountNamespace) {
  const ScratchDirectory proc;
  for (const char* name : {"self/ns", "8/ns", "9/ns"}) {
    std::filesystem::create_directories(proc.Path(name));
  }
  std::filesystem::create_symlink("mnt:[1]", proc.Path("self/ns/mnt"));
  std::filesystem::create_symlink("mnt:[1]", proc.Path("8/ns/mnt"));
  std::filesystem::create_symlink("mnt:[2]", proc.Path("9/ns/mnt"));
  std::filesystem::create_symlink("/", proc.Path("8/root"));
  std::filesystem::create_symlink("/", proc.Path("9/root"));
  using Paths = std::vector<std::string>;
  EXPECT_EQ(CandidatePaths({"/bin/x", "", false, 0}, proc.path()), Paths{"/bin/x"});
  EXPECT_EQ(CandidatePaths({"/bin/x", "", true, 8}, proc.path()),
            (Paths{"/bin/x", proc.Path("8/root/bin/x"), proc.Path("8/exe")}));
  EXPECT_EQ(CandidatePaths({"/bin/x", "", true, 9}, proc.path()),
            (Paths{proc.Path("9/root/bin/x"), "/bin/x", proc.Path("9/exe")}));
  EXPECT_EQ(CandidatePaths({"x", "", false, 9}, proc.path()), Paths{});
}

}  // namespace
}  // namespace pqleash::reporter
