// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/thread_areas.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "reporter/reachability/memory_reader.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

struct Own {
  std::vector<Mapping> mappings;
  std::vector<Thread> threads;
  std::vector<ThreadArea> areas;
};

Own Look() {
  const MemoryReader reader(getpid());
  CachedMemory memory(reader);
  Own own;
  own.mappings = ParseMemoryMap(*ReadProcFile("/proc/self/maps", kMaxMaps));
  own.threads = ListThreads(getpid());
  own.areas = FindThreadAreas(own.mappings, own.threads,
                              [&](uint64_t address) { return memory.WordAt(address); });
  return own;
}

TEST(ThreadAreas, KnowsTheStacksOfThreads) {
  std::atomic<int> tid = 0;
  std::atomic<uint64_t> local = 0;
  std::atomic<bool> done = false;
  std::thread thread([&] {
    int on_stack = 0;
    local = reinterpret_cast<uint64_t>(&on_stack);
    tid = gettid();
    while (!done) usleep(1'000);
  });
  while (tid == 0) usleep(100);
  const auto handle = static_cast<uint64_t>(thread.native_handle());
  {
    const Own own = Look();
    const ThreadArea* area = AreaAt(own.areas, local);
    ASSERT_NE(area, nullptr);
    EXPECT_EQ(area->tid, tid);
    EXPECT_EQ(area->descriptor, handle);
    EXPECT_TRUE(area->stack.Contains(local));
    EXPECT_EQ(AreaAt(own.areas, static_cast<uint64_t>(pthread_self()))->tid, getpid());
  }
  done = true;
  thread.join();
  const Own own = Look();
  const ThreadArea* area = AreaAt(own.areas, local);
  if (area != nullptr) {
    EXPECT_EQ(area->tid, ThreadArea::kEnded);
  }
}

// What is below the stack pointer is dead only on the stack that the thread is known to have.
TEST(ThreadAreas, TellsTheDeadPartOfAStack) {
  const std::vector<Mapping> mappings = ParseMemoryMap(
      "10000-20000 rw-p 0 00:00 0 \n30000-40000 rw-p 0 00:00 0 [stack]\n"
      "50000-60000 rw-p 0 00:00 0 \n");
  ThreadArea area;
  area.stack = {0xf000, 0x20000};
  area.range = {0x10000, 0x20000};
  area.tid = 7;
  struct Case {
    int32_t tid;
    uint64_t pointer;
    std::optional<AddressRange> dead;
  };
  const Case cases[] = {
      {7, 0x18000, AddressRange{0x10000, 0x18000 - kRedZone}},
      {7, 0x10008, AddressRange{0x10000, 0x10000}},
      {8, 0x18000, std::nullopt},  // on another thread's stack
      {7, 0x58000, std::nullopt},  // on a stack that nobody knows
      {7, 0x48000, std::nullopt},  // nowhere
      {7, 0, std::nullopt},        // running
      {8, 0x38000, AddressRange{0x30000, 0x38000 - kRedZone}},
  };
  for (const Case& test : cases) {
    Thread thread;
    thread.tid = test.tid;
    thread.stack_pointer = test.pointer;
    EXPECT_EQ(DeadStack(thread, mappings, {area}), test.dead) << test.tid << " at " << test.pointer;
  }
}

}  // namespace
}  // namespace pqleash::reporter
