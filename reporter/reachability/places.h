// SPDX-License-Identifier: Apache-2.0
//
// Where a reference was found, in words.

#ifndef PQLEASH_REPORTER_REACHABILITY_PLACES_H_
#define PQLEASH_REPORTER_REACHABILITY_PLACES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/module_images.h"
#include "reporter/reachability/thread_areas.h"
#include "reporter/reachability/threads.h"
#include "reporter/symbols/symboliser.h"

namespace pqleash::reporter {

// What is known of a process's memory at some moment.
struct MemoryView {
  std::vector<Mapping> mappings;
  std::vector<ModuleImage> images;
  std::vector<ThreadArea> areas;
  std::vector<Thread> threads;
};

// Bytes below a thread's descriptor that are its storage, one module's behind the other's: at most.
uint64_t ThreadLocalSize(const std::vector<ModuleImage>& images);

// Most telling first.
enum class Place {
  kGlobal,
  kThreadLocal,
  kMapping,  // of a file, or shared
  kHeap,     // or other anonymous memory
  kStack,
};

// `address` is in the first bytes of thread-local storage, or in the stack below it, by the size of
// what the modules have of it. Pure.
Place PlaceOf(const MemoryView& view, uint64_t address);

// 'global pool+0x10 (service)', 'stack of thread 17 (worker)', 'heap at 0x…'. Reads symbols of the
// modules' files. Not escaped.
std::string DescribePlace(const MemoryView& view, uint64_t address, int32_t pid,
                          const std::string& exe, Symboliser* symboliser);

// 'thread 17 (worker)'.
std::string DescribeThread(const std::vector<Thread>& threads, int32_t tid);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_PLACES_H_
