// SPDX-License-Identifier: Apache-2.0
//
// Stacks with frames that have no rule, or one that we cannot express, and damaged ones. The first
// duty is not to crash; the second to keep the sound frames; the third to say that it is not all.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "shim/stack/unwinder.h"
#include "tests/stack/capture.h"
#include "tests/stack/shapes.h"

#if defined(__x86_64__)

namespace pqleash::stack {
namespace {

std::unique_ptr<Capture> g_capture;

void CaptureHere() {
  g_capture = std::make_unique<Capture>();
  t_request = {.capture = g_capture.get(), .ask_libunwind = false};
  TakeCapture();
  asm volatile("" ::: "memory");  // not a tail call
}

void CaptureWithoutOracle() {
  g_capture = std::make_unique<Capture>();
  t_request = {.capture = g_capture.get(), .ask_glibc = false, .ask_libunwind = false};
  TakeCapture();
  asm volatile("" ::: "memory");  // not a tail call
}

// A frame pointer is a guess there: compiled code keeps what it likes in that register.
TEST(NoFdeTest, FramePointerIsNoWayOut) {
  CallWithoutFde(CaptureWithoutOracle);
  EXPECT_EQ(g_capture->result.end, StackEnd::kIncomplete);
  EXPECT_EQ(g_capture->result.method, StackMethod::kCfi);
  EXPECT_EQ(g_capture->Ours().size(), 2u) << Describe(g_capture->Ours());
}

TEST(NoFdeTest, NothingLeadsOut) {
  CallWithoutFdeOrFramePointer(CaptureWithoutOracle);
  EXPECT_EQ(g_capture->result.end, StackEnd::kIncomplete);
  EXPECT_EQ(g_capture->Ours().size(), 2u) << Describe(g_capture->Ours());
}

TEST(NoFdeTest, InMemoryThatIsNoObject) {
  // push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret
  const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  std::copy(std::begin(code), std::end(code), static_cast<unsigned char*>(page));
  ASSERT_EQ(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
  reinterpret_cast<void (*)(Inner)>(page)(CaptureWithoutOracle);
  EXPECT_EQ(g_capture->result.end, StackEnd::kIncomplete);
  EXPECT_EQ(g_capture->Ours().size(), 2u) << Describe(g_capture->Ours());
  EXPECT_EQ(g_capture->ours[1], static_cast<char*>(page) + 6);
  munmap(page, 4096);
}

TEST(NotExpressibleTest, LibgccLeadsOut) {
  CallWithOddCfa(CaptureHere);
  EXPECT_EQ(g_capture->result.end, StackEnd::kOutermost);
  EXPECT_EQ(g_capture->result.method, StackMethod::kBacktrace);
  EXPECT_TRUE(g_capture->Ours() == g_capture->Glibc()) << "ours:\n"
                                                       << Describe(g_capture->Ours()) << "glibc:\n"
                                                       << Describe(g_capture->Glibc());
}

TEST(NotExpressibleTest, EveryCapacity) {
  CallWithOddCfa(CaptureHere);
  const std::vector<void*> whole = g_capture->Ours();
  static int s_capacity;
  static std::vector<void*> s_frames;
  static CaptureResult s_result;
  for (s_capacity = 1; s_capacity < 2 * static_cast<int>(whole.size()); ++s_capacity) {
    CallWithOddCfa([] {
      s_frames.assign(static_cast<size_t>(s_capacity) + 1, nullptr);
      const int count = CaptureStack(s_frames.data(), s_capacity, 1, &s_result);
      EXPECT_EQ(s_frames[static_cast<size_t>(s_capacity)], nullptr);
      s_frames.resize(static_cast<size_t>(count));
    });
    ASSERT_GE(s_frames.size(), 1u);
    const bool fits =
        s_frames.size() + 1 == whole.size();  // the lambda, for CaptureHere and TakeCapture
    EXPECT_EQ(s_result.end == StackEnd::kOutermost, fits) << s_capacity;
    EXPECT_EQ(fits, s_capacity + 1 >= static_cast<int>(whole.size())) << s_capacity;
  }
}

// ------------------------------------------------------------------------------------------
// Damage. CallWithGarbage… has a caller whose CFA goes by the frame pointer, because of alloca.

struct Areas {
  Areas() {
    map = static_cast<char*>(
        mmap(nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(map, 4096, PROT_NONE);
    mprotect(map + 2 * 4096, 4096, PROT_NONE);
    for (auto* word = reinterpret_cast<unsigned long*>(map + 4096);
         word < reinterpret_cast<unsigned long*>(map + 2 * 4096); ++word) {
      *word = reinterpret_cast<unsigned long>(word);  // points at itself
    }
  }
  ~Areas() { munmap(map, 3 * 4096); }
  Areas(const Areas&) = delete;
  Areas& operator=(const Areas&) = delete;

  char* map;
};

std::vector<unsigned long> Garbage(const Areas& areas) {
  const auto area = reinterpret_cast<unsigned long>(areas.map);
  const auto here = reinterpret_cast<unsigned long>(__builtin_frame_address(0));
  return {0,
          1,
          7,
          8,
          16,
          0xfff8,
          0xdeadbeefdeadbeef,
          0x4141414141414141,
          ~0ul,
          ~0ul - 15,
          0x7fffffffffff,
          0x7ffffffffff8,
          0x800000000000,
          0xffff800000000000,
          area,                  // cannot be read
          area + 4096 - 16,      // the frame record ends where the readable page begins
          area + 4096,           // readable, self-referential
          area + 2 * 4096 - 16,  // up to the last readable byte
          area + 2 * 4096 - 8,   // and beyond
          area + 4096 + 4,       // misaligned
          here - 4096,           // below
          here - 65536,
          here,
          here + 8,
          here + 4,
          reinterpret_cast<unsigned long>(&Garbage)};
}

using Damage = void (*)(Inner inner, unsigned long garbage);

__attribute__((noinline)) void WithFramePointer(Damage damage, unsigned long garbage, size_t size) {
  volatile char* room = static_cast<char*>(__builtin_alloca(size));
  room[0] = 1;
  damage(CaptureWithoutOracle, garbage);
  room[0] = 2;
}

TEST(DamageTest, FramePointerOfACaller) {
  const Areas areas;
  for (const unsigned long garbage : Garbage(areas)) {
    WithFramePointer(CallWithGarbageFramePointer, garbage, 100);
    EXPECT_GE(g_capture->Ours().size(), 2u) << std::hex << garbage;
    EXPECT_NE(g_capture->result.end, StackEnd::kTruncated) << std::hex << garbage;
    // The true frame pointer would be the only way to the outermost frame, but words of this very
    // stack may be mistaken for it.
    const auto here = reinterpret_cast<unsigned long>(__builtin_frame_address(0));
    if (garbage != 0 && garbage - (here - (1 << 20)) > (2 << 20)) {
      EXPECT_EQ(g_capture->result.end, StackEnd::kIncomplete) << std::hex << garbage;
    }
  }
}

TEST(DamageTest, ReturnAddress) {
  const Areas areas;
  for (const unsigned long garbage : Garbage(areas)) {
    WithFramePointer(CallWithGarbageReturnAddress, garbage, 100);
    EXPECT_GE(g_capture->Ours().size(), 2u) << std::hex << garbage;
    EXPECT_NE(g_capture->result.end, StackEnd::kTruncated) << std::hex << garbage;
  }
}

// Each word of the frames above, one after the other.
__attribute__((noinline, no_sanitize("address"), no_sanitize("undefined"))) void DamageWord(
    size_t index, unsigned long garbage) {
  auto* frame = static_cast<volatile unsigned long*>(__builtin_frame_address(0));
  const unsigned long word = frame[index];
  frame[index] = garbage;
  CaptureWithoutOracle();
  frame[index] = word;
}

TEST(DamageTest, EachWordAbove) {
  const Areas areas;
  const std::vector<unsigned long> garbage = Garbage(areas);
  for (size_t index = 0; index < 100; ++index) {
    for (const unsigned long word : garbage) {
      DamageWord(index, word);
      ASSERT_GE(g_capture->Ours().size(), 1u);
    }
  }
}

// A frame pointer into memory that was verified before and is gone by now.
TEST(DamageTest, NothingIsTrustedThatWentAway) {
  for (int round = 0; round < 3; ++round) {
    const Areas areas;
    WithFramePointer(CallWithGarbageFramePointer, reinterpret_cast<unsigned long>(areas.map + 4096),
                     100);
  }
  EXPECT_GE(g_capture->Ours().size(), 2u);
}

}  // namespace
}  // namespace pqleash::stack

#endif
