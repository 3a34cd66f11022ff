// SPDX-License-Identifier: Apache-2.0
//
// What one stack costs, by who takes it: CaptureStack, glibc's backtrace() and libunwind's
// unw_backtrace(), warm, at a given depth.

#include <benchmark/benchmark.h>

#include "shim/stack/unwinder.h"
#include "tests/stack/capture.h"

namespace {

constexpr int kCapacity = 64;

[[gnu::noinline]] int Ours(void** frames, uint64_t generation) {
  pqleash::stack::CaptureResult result;
  return pqleash::stack::CaptureStack(frames, kCapacity, generation, &result);
}

[[gnu::noinline]] int Glibc(void** frames, uint64_t) {
  return pqleash::stack::g_oracles.backtrace(frames, kCapacity);
}

[[gnu::noinline]] int Libunwind(void** frames, uint64_t) {
  return pqleash::stack::g_oracles.unw_backtrace(frames, kCapacity);
}

// A new generation at each visit: nothing that was computed before is of use.
[[gnu::noinline]] int OursCold(void** frames, uint64_t) {
  static uint64_t generation = 1000;
  return Ours(frames, ++generation);
}

using Capture = int (*)(void** frames, uint64_t generation);

[[gnu::noinline]] void Measure(benchmark::State& state, Capture capture) {
  void* frames[kCapacity];
  int count = capture(frames, 1);
  for (auto _ : state) benchmark::DoNotOptimize(count = capture(frames, 1));
  state.counters["frames"] = count;
  state.counters["per_frame"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * count,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// Calls Measure from under `depth` frames. Different functions in turn, as in real stacks.
template <int kDepth>
[[gnu::noinline]] void Descend(benchmark::State& state, Capture capture) {
  [[maybe_unused]] volatile char room[16 + kDepth % 5 * 24] = {};
  if constexpr (kDepth == 0) {
    Measure(state, capture);
  } else {
    Descend<kDepth - 1>(state, capture);
  }
  room[0] = 1;
}

template <Capture kCapture>
void Frames20(benchmark::State& state) {
  if (pqleash::stack::g_oracles.unw_backtrace == nullptr) {
    return state.SkipWithError("needs libunwind, to compare with");
  }
  Descend<11>(state, kCapture);  // the rest is the benchmark library and main
}

BENCHMARK(Frames20<Ours>);
BENCHMARK(Frames20<OursCold>);
BENCHMARK(Frames20<Glibc>);
BENCHMARK(Frames20<Libunwind>);

}  // namespace
