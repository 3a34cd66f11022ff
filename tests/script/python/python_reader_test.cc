// SPDX-License-Identifier: Apache-2.0
//
// The reader of CPython's memory, on memory that is made up: tables of lines, strings, chains that
// do not end, and whatever bytes there are.

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "shim/stack/script/own_memory.h"
#include "shim/stack/script/python_frames.h"
#include "shim/stack/script/python_lines.h"
#include "shim/stack/script/python_text.h"

namespace pqleash::stack::python {
namespace {

// Pieces of memory at addresses of our choice.
class Made final : public Memory {
 public:
  void Put(uintptr_t address, const std::string& bytes) { pieces_[address] = bytes; }
  template <typename T>
  void PutValue(uintptr_t address, T value) {
    for (size_t i = 0; i < sizeof value; ++i)
      bytes_[address + i] = reinterpret_cast<const char*>(&value)[i];
  }

  bool Read(uintptr_t address, void* to, size_t size) override {
    ++reads;
    if (address < kBegin || address + size > kEnd) return false;
    memset(to, 0, size);
    for (size_t i = 0; i < size; ++i) static_cast<char*>(to)[i] = At(address + i);
    return true;
  }

  int reads = 0;
  static constexpr uintptr_t kBegin = 0x10000;
  static constexpr uintptr_t kEnd = 0x200000;

 private:
  char At(uintptr_t address) const {
    if (const auto byte = bytes_.find(address); byte != bytes_.end()) return byte->second;
    auto piece = pieces_.upper_bound(address);
    if (piece == pieces_.begin()) return 0;
    --piece;
    const size_t offset = address - piece->first;
    return offset < piece->second.size() ? piece->second[offset] : '\0';
  }

  std::map<uintptr_t, std::string> pieces_;
  std::map<uintptr_t, char> bytes_;
};

uint32_t Line(int minor, const std::string& table, int64_t offset, int32_t first = 100) {
  Made memory;
  memory.Put(0x20000, table);
  BlockCache cache(memory);
  return LineAt(cache, memory, {minor, 0x20000, table.size(), first}, offset);
}

TEST(PythonLines, Of39AreCountedFromTheFirst) {
  const std::string table = {6, 1, 50, 2, 0, -3};
  EXPECT_EQ(Line(9, table, 0), 100u);
  EXPECT_EQ(Line(9, table, 6), 101u);
  EXPECT_EQ(Line(9, table, 56), 100u);
  EXPECT_EQ(Line(9, "", 4), 100u);
}

TEST(PythonLines, Of310MayBeMissing) {
  const std::string table = {6, 1, 50, -128, 4, -3};
  EXPECT_EQ(Line(10, table, 0), 101u);
  EXPECT_EQ(Line(10, table, 6), 0u);
  EXPECT_EQ(Line(10, table, 56), 98u);
  EXPECT_EQ(Line(10, table, 60), 0u);  // behind the end
}

std::string Bytes(const std::vector<int>& bytes) { return {bytes.begin(), bytes.end()}; }

TEST(PythonLines, Since311HaveFormsOfEntries) {
  const std::string table = Bytes({
      0x80 | 0 << 3 | 1, 0x12,              // short: 4 bytes of code, line 100
      0x80 | 11 << 3 | 0, 1, 2,             // the next line: 2 bytes, 101
      0x80 | 13 << 3 | 7, 0x07,             // no columns: 16 bytes, -3: 98
      0x80 | 15 << 3 | 0,                   // no line: 2 bytes
      0x80 | 14 << 3 | 0, 0x40, 2, 0, 1, 1  // long: +64: 162
  });
  EXPECT_EQ(Line(11, table, 0), 100u);
  EXPECT_EQ(Line(12, table, 3), 100u);
  EXPECT_EQ(Line(13, table, 4), 101u);
  EXPECT_EQ(Line(13, table, 6), 98u);
  EXPECT_EQ(Line(13, table, 21), 98u);
  EXPECT_EQ(Line(13, table, 22), 0u);
  EXPECT_EQ(Line(14, table, 24), 162u);
  EXPECT_EQ(Line(14, table, 26), 0u);
  EXPECT_EQ(Line(14, table, -2), 100u);
  EXPECT_EQ(Line(11, Bytes({0x12, 0x12}), 0), 0u);            // begins in the middle
  EXPECT_EQ(Line(11, Bytes({0x80 | 13 << 3, 0x47}), 0), 0u);  // is cut off
}

TEST(PythonLines, ThatAreFarOffAreFound) {
  std::string table;
  for (int i = 0; i < 20'000; ++i) table += Bytes({0x80 | 11 << 3 | 0, 1, 2});
  EXPECT_EQ(Line(12, table, 2 * 19'999), 20'100u);
  for (int i = 0; i < 200'000; ++i) table += Bytes({0x80 | 11 << 3 | 0, 1, 2});
  EXPECT_EQ(Line(12, table, 2), 0u);  // longer than what is read
}

Layout Of(int minor) {
  Made nothing;
  Layout layout = {};
  EXPECT_TRUE(ReadLayout(nothing, minor, 0, &layout));
  return layout;
}

constexpr uintptr_t kTextType = 0x18000;

void PutText(Made& memory, const Layout& layout, uintptr_t address, uint32_t state,
             const std::string& data, uint64_t length, bool ascii) {
  memory.PutValue(address + layout.object_type, kTextType);
  memory.PutValue(address + layout.text_length, length);
  memory.PutValue(address + layout.text_state, state);
  memory.Put(address + (ascii ? layout.text_ascii : layout.text_wide), data);
}

TEST(PythonText, IsCutWhereTheLedgerCutsIt) {
  const Layout layout = Of(12);
  Made memory;
  PutText(memory, layout, 0x20000, 1 << 6 | 1 << 5 | 1 << 2, std::string(5000, 'x'), 5000, true);
  BlockCache cache(memory);
  Text text;
  ASSERT_TRUE(text.Read(cache, layout, kTextType, 0x20000));
  EXPECT_EQ(text.view(), std::string(1024, 'x'));
}

TEST(PythonText, IsRefusedWhereItIsNone) {
  const Layout layout = Of(11);
  BlockCache nothing(*new Made);  // NOLINT: lives as long as the test
  Text text;
  EXPECT_FALSE(text.Read(nothing, layout, kTextType, 0));
  EXPECT_FALSE(text.Read(nothing, layout, kTextType, 0x20000));  // of no type
  const struct {
    uint32_t state;
    const char* what;
  } wrong[] = {{1 << 6 | 1 << 5 | 2 << 2, "ASCII of two bytes"},
               {1 << 5 | 3 << 2, "of three bytes"},
               {1 << 6 | 1 << 2, "elsewhere"}};
  for (const auto& [state, what] : wrong) {
    Made memory;
    PutText(memory, layout, 0x20000, state, "text", 4, true);
    BlockCache cache(memory);
    EXPECT_FALSE(text.Read(cache, layout, kTextType, 0x20000)) << what;
  }
  Made memory;
  PutText(memory, layout, 0x20000, 1 << 5 | 4 << 2, std::string("\0\0\x11\0", 4), 1, false);
  BlockCache cache(memory);
  EXPECT_FALSE(text.Read(cache, layout, kTextType, 0x20000)) << "beyond Unicode";
}

class Counting final : public ScriptSink {
 public:
  bool Add(ledger::Language, std::string_view, std::string_view, uint32_t) override {
    return ++count < 1000;
  }
  int count = 0;
};

TEST(PythonFramesOfMemory, ThatGoInCirclesEnd) {
  for (int minor = kOldestMinor; minor <= 12; ++minor) {
    Made memory;
    Runtime runtime = {Of(minor), 0x11000, 0x12000, kTextType, 0x14000};
    const Layout& layout = runtime.layout;
    constexpr uintptr_t kThread = 0x20000;
    constexpr uintptr_t kFrame = 0x30000;
    constexpr uintptr_t kCode = 0x40000;
    constexpr uintptr_t kName = 0x50000;
    memory.PutValue(kThread + layout.thread_frame, layout.through_cframe() ? 0x21000 : kFrame);
    memory.PutValue(0x21000 + layout.cframe_frame, kFrame);
    memory.PutValue(kFrame + layout.frame_previous, kFrame);
    memory.PutValue(kFrame + layout.frame_code, kCode);
    memory.PutValue(kCode + layout.object_type, runtime.code_type);
    memory.PutValue(kCode + layout.code_name, kName);
    memory.PutValue(kCode + layout.code_filename, kName);
    if (minor >= 11) memory.PutValue(kFrame + layout.frame_instruction, kCode + layout.code_bytes);
    PutText(memory, layout, kName, 1 << 6 | 1 << 5 | 1 << 2, "name", 4, true);
    Counting sink;
    EXPECT_FALSE(ReadFrames(memory, runtime, kThread, sink));  // no line
    EXPECT_EQ(sink.count, 1000) << minor;

    // Lists of threads that go in circles: of interpreters, and of threads.
    memory.PutValue(runtime.runtime + layout.runtime_interpreters, uintptr_t{0x60000});
    memory.PutValue(0x60000 + layout.interpreter_next, uintptr_t{0x60000});
    EXPECT_EQ(FindThread(memory, runtime, layout.thread_id, 7), 0u);
    memory.PutValue(0x60000 + layout.interpreter_threads, kThread);
    memory.PutValue(kThread + layout.thread_next, kThread);
    EXPECT_EQ(FindThread(memory, runtime, layout.thread_id, 7), 0u);
    memory.PutValue(kThread + layout.thread_id, uint64_t{7});
    EXPECT_EQ(FindThread(memory, runtime, layout.thread_id, 7), kThread);
    EXPECT_TRUE(IsThread(memory, runtime, kThread, 0, 7));
    EXPECT_FALSE(IsThread(memory, runtime, kThread, 0x60000, 7));
    EXPECT_FALSE(IsThread(memory, runtime, kThread, 0, 8));
  }
}

// Words that are numbers, or addresses of other such words, or none.
class Anything final : public Memory {
 public:
  explicit Anything(uint32_t seed) : random_(seed) {}
  bool Read(uintptr_t, void* to, size_t size) override {
    if (random_() % 64 == 0) return false;
    for (size_t i = 0; i < size; i += 8) {
      const uint64_t kinds[] = {0x12000, kTextType, 0x14000, random_() % 300,
                                0x10000 + random_() % 0x100000 * 8};
      memcpy(static_cast<char*>(to) + i, &kinds[random_() % 5], std::min<size_t>(8, size - i));
    }
    return true;
  }

 private:
  std::mt19937_64 random_;
};

TEST(PythonFramesOfMemory, OfWhateverBytesEnd) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    Anything memory(seed);
    for (int minor = kOldestMinor; minor <= 12; ++minor) {
      const Runtime runtime = {Of(minor), 0x11000, 0x12000, kTextType, 0x14000};
      Counting sink;
      ReadFrames(memory, runtime, 0x20000, sink);
      FindThread(memory, runtime, runtime.layout.thread_id, 1);
    }
  }
}

TEST(OwnMemory, SaysWhatCannotBeRead) {
  char* pages = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  memset(pages, 'x', 8192);
  ASSERT_EQ(mprotect(pages + 4096, 4096, PROT_NONE), 0);
  OwnMemory memory;
  char bytes[16] = {};
  EXPECT_TRUE(memory.Read(reinterpret_cast<uintptr_t>(pages) + 4080, bytes, 16));
  EXPECT_EQ(bytes[15], 'x');
  EXPECT_FALSE(memory.Read(reinterpret_cast<uintptr_t>(pages) + 4088, bytes, 16));
  EXPECT_FALSE(memory.Read(8, bytes, 16));
  BlockCache cache(memory);
  EXPECT_TRUE(cache.Read(reinterpret_cast<uintptr_t>(pages) + 4080, bytes, 16));
  EXPECT_FALSE(cache.Read(reinterpret_cast<uintptr_t>(pages) + 4088, bytes, 16));
  EXPECT_FALSE(cache.Read(UINTPTR_MAX - 3, bytes, 16));
  munmap(pages, 8192);
}

// In a process of its own: reads bytes of this process and of no page, under a filter that kills
// for process_vm_readv. Ends with 0 if the reads said what they should.
[[noreturn]] void ReadUnderAFilter() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {std::size(code), code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    _exit(3);
  }
  const char bytes[] = "here";
  char copy[sizeof bytes] = {};
  OwnMemory memory;
  const bool read = memory.Read(reinterpret_cast<uintptr_t>(bytes), copy, sizeof copy);
  const bool nowhere = memory.Read(8, copy, 1);
  _exit(read && !nowhere && memcmp(copy, bytes, sizeof copy) == 0 ? 0 : 1);
}

TEST(OwnMemory, IsProbedUnderAFilterThatCameAfterTheFirstRead) {
  const char byte = 'x';
  char copy = 0;
  EXPECT_TRUE(OwnMemory().Read(reinterpret_cast<uintptr_t>(&byte), &copy, 1));
  EXPECT_EXIT(ReadUnderAFilter(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace pqleash::stack::python
