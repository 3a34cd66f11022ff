// SPDX-License-Identifier: Apache-2.0
//
// What a search knows of a living process beside the words of its memory: what is mapped and may
// hold a reference, its threads and their stacks, and the blocks of its allocator. All of it is of
// one moment, and is looked at anew before each pass.

#ifndef PQLEASH_REPORTER_REACHABILITY_PROCESS_VIEW_H_
#define PQLEASH_REPORTER_REACHABILITY_PROCESS_VIEW_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/reachability/encodings.h"
#include "reporter/reachability/malloc_blocks.h"
#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/memory_reader.h"
#include "reporter/reachability/places.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// The part of a thread's stack that no function uses any more.
struct UnusedStack {
  AddressRange range;
  int32_t tid = 0;
};

// Not thread-safe. What it returns holds until the next Refresh.
class ProcessView {
 public:
  // Of a snapshot whose process lives. The snapshot must outlive the view.
  explicit ProcessView(const Snapshot& snapshot);
  ProcessView(const ProcessView&) = delete;
  ProcessView& operator=(const ProcessView&) = delete;

  // Looks at the process anew. Empty, or one clause: why that cannot be done.
  std::string Refresh();

  // Neither ended nor replaced by another program: it still maps its ledger.
  bool IsSameProcess() const;

  int32_t pid() const { return pid_; }
  MemoryReader& reader() { return reader_; }
  CachedMemory& memory() { return memory_; }
  MallocBlocks::WordAt WordAt() {
    return [this](uint64_t address) { return memory_.WordAt(address); };
  }

  const MemoryView& parts() const { return parts_; }
  // What is searched: writable memory without the library's own.
  const std::vector<Region>& regions() const { return regions_; }
  const std::vector<UnusedStack>& unused_stacks() const { return unused_stacks_; }
  const UnusedStack* UnusedStackAt(uint64_t address) const;
  const MallocBlocks& blocks() const { return *blocks_; }
  const Encodings& encodings() const { return encodings_; }

  bool IsCode(uint64_t address) const;
  // In the variables of libcrypto or libssl.
  bool InOpenSsl(uint64_t address) const;
  // In the stack, or the storage, of a thread that has ended.
  bool OfEndedThread(uint64_t address) const;
  // A shared mapping whose pages may be somewhere else than in memory.
  bool MayBeElsewhere(const Mapping& mapping) const;

  // Whether the thread's stack pointer is where it was at the last Refresh, by `now`.
  bool StoodStill(int32_t tid, const std::vector<Thread>& now) const;

 private:
  bool MapsLedger(const std::vector<Mapping>& mappings) const;
  std::vector<AddressRange> Excluded() const;
  std::vector<AddressRange> AnonymousMemory() const;
  std::vector<uint64_t> LibcWords();
  std::vector<uint64_t> ThreadWords();

  const Snapshot& snapshot_;
  const int32_t pid_;
  const bool swap_in_use_;
  MemoryReader reader_;
  CachedMemory memory_;
  MemoryView parts_;
  std::vector<Region> regions_;
  std::vector<UnusedStack> unused_stacks_;
  std::optional<MallocBlocks> blocks_;
  Encodings encodings_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_PROCESS_VIEW_H_
