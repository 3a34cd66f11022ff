// SPDX-License-Identifier: Apache-2.0
//
// The heap of a process, as the tests of what is said of it look at it.

#ifndef PQLEASH_TESTS_REACHABILITY_HEAP_H_
#define PQLEASH_TESTS_REACHABILITY_HEAP_H_

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "reporter/reachability/malloc_blocks.h"
#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/memory_reader.h"
#include "reporter/reachability/module_images.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PQLEASH_OTHER_ALLOCATOR 1
#else
#define PQLEASH_OTHER_ALLOCATOR 0
#endif

namespace pqleash::reporter {

// Of a process.
class Heap {
 public:
  explicit Heap(pid_t pid) : pid_(pid), reader_(pid), memory_(reader_) {}

  // As it is now.
  MallocBlocks Look() {
    memory_.Forget();
    const auto mappings =
        ParseMemoryMap(*ReadProcFile("/proc/" + std::to_string(pid_) + "/maps", kMaxMaps));
    const auto images = ReadModuleImages(mappings, [this](uint64_t address, void* to, size_t size) {
      return reader_.Read(address, to, size);
    });
    std::vector<AddressRange> regions;
    std::vector<uint64_t> words;
    for (const Mapping& mapping : mappings) {
      if (mapping.writable && IsAnonymous(mapping)) regions.push_back(mapping.range);
      const ModuleImage* image = ImageAt(images, mapping.range.begin);
      if (image == nullptr || !mapping.writable || !FileName(image->path).starts_with("libc.so")) {
        continue;
      }
      for (uint64_t at = mapping.range.begin; at < mapping.range.end; at += 8) {
        words.push_back(memory_.WordOrZero(at));
      }
    }
    std::sort(words.begin(), words.end());
    return MallocBlocks(WordAt(), regions, words);
  }

  MallocBlocks::WordAt WordAt() {
    return [this](uint64_t address) { return memory_.WordAt(address); };
  }

 private:
  pid_t pid_;
  MemoryReader reader_;
  CachedMemory memory_;
};

inline uint64_t AddressOf(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

// A copy of this process that has done something with its heap, and does nothing more: to look at
// one's own would change it.
class Copy {
 public:
  // `act` returns the addresses to look at.
  explicit Copy(const std::function<std::vector<uint64_t>()>& act = [] {
    return std::vector<uint64_t>();
  }) {
    int channel[2];
    if (pipe(channel) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      const std::vector<uint64_t> addresses = act();
      const size_t size = addresses.size() * sizeof(uint64_t);
      if (write(channel[1], addresses.data(), size) != static_cast<ssize_t>(size)) _exit(1);
      close(channel[1]);
      for (;;) pause();
    }
    close(channel[1]);
    uint64_t address = 0;
    while (read(channel[0], &address, sizeof address) == sizeof address) {
      addresses_.push_back(address);
    }
    close(channel[0]);
  }
  ~Copy() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  pid_t pid() const { return pid_; }
  const std::vector<uint64_t>& addresses() const { return addresses_; }

 private:
  pid_t pid_ = -1;
  std::vector<uint64_t> addresses_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_TESTS_REACHABILITY_HEAP_H_
