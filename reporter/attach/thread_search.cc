// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/thread_search.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "reporter/attach/thread_places.h"
#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/threads.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;
constexpr useconds_t kBetweenRounds = 2'000;  // microseconds
// So long only the best are taken: most threads wait in the kernel within it.
constexpr int kChoosyRounds = 50;
constexpr size_t kMaxTriedThreads = 64;  // a round
// Below the stack pointer, besides the frame of a call: what the red zone and a small function
// take.
constexpr uint64_t kRoom = 8 * 1024;

// 0: waits, and does not notice; 1: waits for good; 2: waits otherwise, or runs.
int RankOf(const Activity& activity) {
  const bool waits = activity.kind == Activity::Kind::kInCall;
  if (waits && StopsUnnoticed(activity)) return 0;
  return WaitsForGood(activity) ? 1 : 2;
}

// Fibres and goroutines have stacks that are no thread's: what lies below is somebody else's.
bool OnOwnStack(int32_t pid, const HeldThread& thread) {
  const std::string maps = ReadProcFile(fmt::format("/proc/{}/maps", pid), kMaxMaps).value_or("");
  const std::vector<Mapping> mappings = ParseMemoryMap(maps);
  const user_regs_struct& registers = thread.registers();
  const Mapping* mapping = MappingAt(mappings, registers.rsp);
  if (mapping == nullptr || !mapping->writable) return false;
  const bool own = mapping->path == "[stack]" || (mapping->range.Contains(registers.fs_base) &&
                                                  registers.rsp < registers.fs_base);
  return own && registers.rsp - mapping->range.begin >= thread.FrameSize() + kRoom;
}

}  // namespace

std::unique_ptr<HeldThread> HoldThread(int32_t pid, const RemoteMemory& memory, RemoteStack* stack,
                                       std::chrono::milliseconds patience, std::string* error) {
  const auto limit = Clock::now() + patience;
  std::string why = "it has no thread";
  for (int round = 0; Clock::now() < limit; ++round) {
    stack->Prepare();
    std::vector<Thread> threads = ListThreads(pid);
    if (threads.empty()) {
      *error = "it has ended";
      return nullptr;
    }
    std::stable_sort(threads.begin(), threads.end(), [](const Thread& a, const Thread& b) {
      return RankOf(a.activity) < RankOf(b.activity);
    });
    size_t tried = 0;
    for (const Thread& thread : threads) {
      const bool best = RankOf(thread.activity) < 2;
      if (!best && round < kChoosyRounds) {
        why = "none of its threads waits";
        continue;
      }
      if (tried++ == kMaxTriedThreads) break;
      auto held = std::make_unique<HeldThread>(memory, thread.tid);
      switch (held->state()) {
        case HeldThread::State::kHeld:
          break;
        case HeldThread::State::kTryAgain:
          continue;
        case HeldThread::State::kStopped:
          *error = fmt::format("it is stopped: let it go on first, with `kill -CONT {}`", pid);
          return nullptr;
        case HeldThread::State::kRefused:
          *error = WhyRefused(pid, held->error());
          return nullptr;
        case HeldThread::State::kStuck:
          *error = "it does not stop: it waits for a disk, or is frozen";
          return nullptr;
      }
      if (!held->InRestartableCall() && round < kChoosyRounds) {
        why = "none of its threads waits";
        continue;
      }
      if (!OnOwnStack(pid, *held)) {
        why = "no thread was found on a stack of its own";
        continue;
      }
      bool whole = false;
      const auto places = stack->Walk(thread.tid, held->registers(), &whole);
      std::string not_here = WhyNotHere(places, whole);
      if (not_here.empty()) return held;
      why = fmt::format("of thread {}, {}", thread.tid, not_here);
    }
    usleep(kBetweenRounds);
  }
  *error = fmt::format("no thread was found on which the library could be loaded ({})", why);
  return nullptr;
}

}  // namespace pqleash::reporter
