// SPDX-License-Identifier: Apache-2.0
//
// Sound stacks: what CaptureStack says about them is what glibc's backtrace() says, frame for
// frame, and libunwind as well where it finds its way.

#include "shim/stack/unwinder.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "tests/stack/capture.h"
#include "tests/stack/shapes.h"

namespace pqleash::stack {
namespace {

// Runs `call` with TakeCapture as the innermost function.
template <typename Call>
std::unique_ptr<Capture> CaptureUnder(Call call, CaptureRequest request = {}) {
  auto capture = std::make_unique<Capture>();
  request.capture = capture.get();
  t_request = request;
  call(TakeCapture);
  t_request = {};
  return capture;
}

void ExpectSameAsGlibc(const Capture& capture) {
  const std::vector<void*> glibc = capture.Glibc();
  ASSERT_GT(glibc.size(), 1u);
  EXPECT_TRUE(capture.Ours() == glibc) << "ours:\n"
                                       << Describe(capture.Ours()) << "glibc:\n"
                                       << Describe(glibc);
}

void ExpectComplete(const Capture& capture, StackMethod method = StackMethod::kCfi) {
  ExpectSameAsGlibc(capture);
  EXPECT_EQ(capture.result.end, StackEnd::kOutermost) << Describe(capture.Ours());
  EXPECT_EQ(capture.result.method, method);
}

using ShapeList = std::span<const Shape> (*)();

class ShapeTest : public testing::TestWithParam<ShapeList> {};

TEST_P(ShapeTest, AgreesWithGlibc) {
  for (const Shape& shape : GetParam()()) {
    SCOPED_TRACE(shape.name);
    for (int visit = 0; visit < 3; ++visit) ExpectComplete(*CaptureUnder(shape.call));
  }
}

TEST_P(ShapeTest, AgreesWithLibunwind) {
  if (g_oracles.unw_backtrace == nullptr) GTEST_SKIP() << "libunwind is not installed";
  for (const Shape& shape : GetParam()()) {
    SCOPED_TRACE(shape.name);
    const auto capture = CaptureUnder(shape.call);
    const std::vector<void*> libunwind = capture->Libunwind();
    EXPECT_TRUE(capture->Ours() == libunwind) << "ours:\n"
                                              << Describe(capture->Ours()) << "libunwind:\n"
                                              << Describe(libunwind);
  }
}

INSTANTIATE_TEST_SUITE_P(Compiled, ShapeTest,
                         testing::Values(ShapesWithoutFramePointer, ShapesWithFramePointer,
                                         ShapesUnoptimized));

// ------------------------------------------------------------------------------------------
// Capacity.

std::vector<void*> OursOfCapacity(int capacity, CaptureResult& result) {
  std::vector<void*> frames(static_cast<size_t>(capacity) + 1, nullptr);
  const int count = CaptureStack(frames.data(), capacity, 1, &result);
  EXPECT_EQ(frames[static_cast<size_t>(capacity)], nullptr) << "wrote behind the capacity";
  frames.resize(static_cast<size_t>(count));
  return frames;
}

TEST(CapacityTest, AroundTheDepthOfTheStack) {
  CaptureResult result;
  std::vector<void*> whole;
  for (const int extra : {100, 1, 0, -1, -2}) {
    const int capacity = extra == 100 ? 500 : static_cast<int>(whole.size()) + extra;
    const std::vector<void*> frames = OursOfCapacity(capacity, result);
    if (whole.empty()) whole = frames;
    const size_t expected = std::min(whole.size(), static_cast<size_t>(capacity));
    EXPECT_EQ(frames, std::vector<void*>(whole.begin(), whole.begin() + ptrdiff_t(expected)));
    EXPECT_EQ(result.end, extra < 0 ? StackEnd::kTruncated : StackEnd::kOutermost) << extra;
  }
}

TEST(CapacityTest, OneAndNone) {
  CaptureResult result;
  EXPECT_EQ(OursOfCapacity(1, result).size(), 1u);
  EXPECT_EQ(result.end, StackEnd::kTruncated);
  EXPECT_EQ(OursOfCapacity(0, result).size(), 0u);
  EXPECT_EQ(CaptureStack(nullptr, -1, 1, &result), 0);
}

// ------------------------------------------------------------------------------------------
// Conduct.

TEST(ConductTest, OpensNothingAndKeepsErrno) {
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  const auto before = open_files();
  for (uint64_t generation = 100; generation < 105; ++generation) {
    CaptureRequest request = {.generation = generation, .ask_glibc = false, .ask_libunwind = false};
    for (const Shape& shape : ShapesWithoutFramePointer()) {
      int error_inside = 0;
      static int* s_error = nullptr;
      s_error = &error_inside;
      auto capture = std::make_unique<Capture>();
      request.capture = capture.get();
      t_request = request;
      shape.call([] {
        errno = 4711;
        TakeCapture();
        *s_error = errno;
      });
      EXPECT_EQ(error_inside, 4711) << shape.name;
    }
  }
  EXPECT_EQ(open_files(), before);
}

// ------------------------------------------------------------------------------------------
// Threads and stacks.

void* CaptureInThread(void* request) {
  t_request = *static_cast<CaptureRequest*>(request);
  TakeCapture();
  return nullptr;
}

std::unique_ptr<Capture> CaptureInStackOf(size_t size) {
  auto capture = std::make_unique<Capture>();
  CaptureRequest request = {.capture = capture.get(), .ask_libunwind = false};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, size);
  pthread_t thread;
  EXPECT_EQ(pthread_create(&thread, &attributes, CaptureInThread, &request), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  return capture;
}

TEST(ThreadTest, EntryOfAThread) { ExpectComplete(*CaptureInStackOf(1 << 20)); }

#ifndef __SANITIZE_ADDRESS__
TEST(ThreadTest, SmallestStack) {
  CaptureUnder([](Inner inner) { inner(); });  // glibc's first call loads libgcc_s: not in there
  const auto capture = CaptureInStackOf(static_cast<size_t>(PTHREAD_STACK_MIN));
  ExpectComplete(*capture);
}
#endif

TEST(ThreadTest, StdThread) {
  std::unique_ptr<Capture> capture;
  std::thread([&capture] { capture = CaptureUnder([](Inner inner) { inner(); }); }).join();
  ExpectComplete(*capture);
}

// Four threads and a new generation each round: readers and writers meet in every entry.
TEST(ThreadTest, SeveralAtOnce) {
  std::atomic<int> wrong = 0;
  const auto work = [&wrong] {
    auto capture = std::make_unique<Capture>();
    for (uint64_t round = 0; round < 200; ++round) {
      for (const Shape& shape : ShapesWithoutFramePointer()) {
        t_request = {.capture = capture.get(),
                     .generation = 1000 + round / 4,
                     .ask_glibc = round % 50 == 0,
                     .ask_libunwind = false};
        shape.call(TakeCapture);
        if (capture->result.end != StackEnd::kOutermost) ++wrong;
        if (round % 50 == 0 && capture->Ours() != capture->Glibc()) ++wrong;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

ucontext_t g_main_context;
ucontext_t g_coroutine_context;
Inner g_in_coroutine;

void Coroutine() {
  g_in_coroutine();
  swapcontext(&g_coroutine_context, &g_main_context);
  g_in_coroutine();
  asm volatile("" ::: "memory");  // not a tail call
}

TEST(CoroutineTest, OwnStack) {
  std::vector<char> stack(256 << 10);
  const auto first = CaptureUnder([&stack](Inner inner) {
    g_in_coroutine = inner;
    getcontext(&g_coroutine_context);
    g_coroutine_context.uc_stack.ss_sp = stack.data();
    g_coroutine_context.uc_stack.ss_size = stack.size();
    g_coroutine_context.uc_link = &g_main_context;
    makecontext(&g_coroutine_context, Coroutine, 0);
    swapcontext(&g_main_context, &g_coroutine_context);
  });
  ExpectSameAsGlibc(*first);
  EXPECT_EQ(first->result.end, StackEnd::kOutermost) << Describe(first->Ours());
  ExpectComplete(*CaptureUnder([](Inner inner) { inner(); }));  // back on the thread's stack
  const auto second =
      CaptureUnder([](Inner) { swapcontext(&g_main_context, &g_coroutine_context); });
  ExpectSameAsGlibc(*second);
}

// ------------------------------------------------------------------------------------------
// Signals.

void OnSignal(int) { TakeCapture(); }

std::unique_ptr<Capture> CaptureInHandler(int flags, void (*interrupt)()) {
  std::vector<char> alternative(256 << 10);
  const stack_t stack = {alternative.data(), 0, alternative.size()};
  stack_t old_stack;
  sigaltstack(&stack, &old_stack);
  struct sigaction action = {};
  struct sigaction old_action;
  action.sa_handler = OnSignal;
  action.sa_flags = flags;
  sigaction(SIGUSR1, &action, &old_action);
  auto capture = CaptureUnder([interrupt](Inner) { interrupt(); }, {.ask_libunwind = false});
  sigaction(SIGUSR1, &old_action, nullptr);
  sigaltstack(&old_stack, nullptr);
  return capture;
}

TEST(SignalTest, InAHandler) {
  ExpectComplete(*CaptureInHandler(0, [] { raise(SIGUSR1); }));
}

TEST(SignalTest, OnAnAlternativeStack) {
  ExpectComplete(*CaptureInHandler(SA_ONSTACK, [] { raise(SIGUSR1); }));
}

std::atomic<int> g_signals;
std::atomic<int> g_complete;

void WalkInHandler(int) {
  void* frames[256];
  CaptureResult result;
  if (CaptureStack(frames, 256, 7, &result) < 1) return;
  ++g_signals;
  if (result.end == StackEnd::kOutermost) ++g_complete;
}

// Signals at any instruction: prologues, PLT stubs, the walk itself, the loader's lock half taken.
TEST(SignalTest, AnywhereInAWalk) {
  struct sigaction action = {};
  struct sigaction old_action;
  action.sa_handler = WalkInHandler;
  sigaction(SIGUSR1, &action, &old_action);
  g_signals = g_complete = 0;
  const pthread_t self = pthread_self();
  std::atomic<bool> done = false;
  std::thread sender([self, &done] {
    // Some come while the loader is asked, and their walks end early: a count, whatever the time.
    while (g_complete < 300 && g_signals < 30'000) {
      pthread_kill(self, SIGUSR1);
      std::this_thread::yield();
    }
    done = true;
  });
  auto capture = std::make_unique<Capture>();
  t_request = {.capture = capture.get(), .ask_glibc = false, .ask_libunwind = false};
  int incomplete = 0;
  for (uint64_t round = 0; !done; ++round) {
    t_request.generation = 1000 + round / 4;
    ShapesWithoutFramePointer().back().call(TakeCapture);
    if (capture->result.end != StackEnd::kOutermost) ++incomplete;
  }
  sender.join();
  sigaction(SIGUSR1, &old_action, nullptr);
  EXPECT_EQ(incomplete, 0);
  EXPECT_GE(g_complete, 300) << "of " << g_signals;
}

// ------------------------------------------------------------------------------------------
// Objects that come and go.

struct Plugin {
  explicit Plugin(const char* path) : handle(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    call = reinterpret_cast<void (*)(Inner)>(handle ? dlsym(handle, "PluginCall") : nullptr);
  }
  ~Plugin() {
    if (handle) dlclose(handle);
  }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  void* handle;
  void (*call)(Inner);
};

TEST(PluginTest, Loaded) {
  const Plugin plugin(PQLEASH_PLUGIN_LARGE);
  ASSERT_NE(plugin.call, nullptr) << dlerror();
  ExpectComplete(*CaptureUnder(plugin.call));
}

TEST(PluginTest, AnotherObjectAtTheSameAddress) {
  // A copy of the small one, since the test program itself holds the original.
  const std::filesystem::path copy = std::filesystem::temp_directory_path() /
                                     ("libstack_plugin_copy." + std::to_string(getpid()) + ".so");
  std::filesystem::copy_file(PQLEASH_PLUGIN_SMALL, copy,
                             std::filesystem::copy_options::overwrite_existing);
  const auto capture_in = [](const char* path, uint64_t generation, void*& address) {
    const Plugin plugin(path);
    address = reinterpret_cast<void*>(plugin.call);
    return CaptureUnder(plugin.call, {.generation = generation, .ask_libunwind = false});
  };
  void* address_of_small = nullptr;
  void* address_of_large = nullptr;
  // What a new generation is good for: under the old one the rules of the old object are in force.
  // (Unless other frames took their place in the table; not in every round.)
  int stale = 0;
  for (uint64_t generation = 50; generation < 70; generation += 2) {
    ExpectComplete(*capture_in(copy.c_str(), generation, address_of_small));
    const auto capture = capture_in(PQLEASH_PLUGIN_LARGE, generation, address_of_large);
    if (address_of_small == address_of_large && capture->Ours() != capture->Glibc()) ++stale;
    ExpectComplete(*capture_in(PQLEASH_PLUGIN_LARGE, generation + 1, address_of_large));
  }
  std::filesystem::remove(copy);
  if (address_of_small != address_of_large) GTEST_SKIP() << "the loader chose another address";
  EXPECT_GT(stale, 0);
}

}  // namespace
}  // namespace pqleash::stack
