// SPDX-License-Identifier: Apache-2.0
//
// Which memory is a thread's own, by glibc's thread descriptors (nptl/descr.h, "struct pthread"):
// the stack, and above it the thread-local storage with the descriptor. The descriptor holds its
// own address twice, the id of its thread, and the bounds of the stack.

#ifndef PQLEASH_REPORTER_REACHABILITY_THREAD_AREAS_H_
#define PQLEASH_REPORTER_REACHABILITY_THREAD_AREAS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/threads.h"

namespace pqleash::reporter {

struct ThreadArea {
  static constexpr int32_t kEnded = 0;  // its stack is kept for a thread to come
  static constexpr int32_t kUnknown = -1;

  AddressRange stack;  // as the descriptor has it; empty: the first thread's, which has none
  AddressRange range;  // stack, thread-local storage and descriptor, as far as they are mapped
  uint64_t descriptor = 0;
  int32_t tid = kUnknown;
};

using WordReader = std::function<std::optional<uint64_t>(uint64_t address)>;

// In order of address. What is not found is in none of them.
std::vector<ThreadArea> FindThreadAreas(const std::vector<Mapping>& mappings,
                                        const std::vector<Thread>& threads,
                                        const WordReader& word_at);

const ThreadArea* AreaAt(const std::vector<ThreadArea>& areas, uint64_t address);

// The part of the thread's stack that no function uses any more; no value: cannot be told, since
// the thread is running, or on another stack.
std::optional<AddressRange> DeadStack(const Thread& thread, const std::vector<Mapping>& mappings,
                                      const std::vector<ThreadArea>& areas);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_THREAD_AREAS_H_
