// SPDX-License-Identifier: Apache-2.0
//
// Memory in which an interpreter's own structures are read: this process's (own_memory.h) or, for a
// tool, another's.

#ifndef PQLEASH_SHIM_STACK_SCRIPT_MEMORY_H_
#define PQLEASH_SHIM_STACK_SCRIPT_MEMORY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pqleash::stack {

class Memory {
 public:
  // Copies `size` bytes from `address` to `to`. False: not all of them can be read; what `to` holds
  // then is undefined. Does not fault.
  virtual bool Read(uintptr_t address, void* to, size_t size) = 0;
  // Whether everything that is asked for can be read where it lies, and nobody unmaps it meanwhile.
  virtual bool in_place() const { return false; }

 protected:
  ~Memory() = default;
};

// Few large reads in place of many small ones: a system call costs as much for a byte as for a
// kilobyte. For the length of one capture: what has been read once is not read again. Some 8 KiB:
// lives on a stack.
class BlockCache {
 public:
  explicit BlockCache(Memory& memory) : memory_(memory), in_place_(memory.in_place()) {}
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // As Memory::Read.
  bool Read(uintptr_t address, void* to, size_t size) {
    if (in_place_) {
      memcpy(to, reinterpret_cast<const void*>(address), size);
      return true;
    }
    return ReadBlocks(address, static_cast<char*>(to), size);
  }

  template <typename T>
  bool Get(uintptr_t address, T* value) {
    return address % alignof(T) == 0 && Read(address, value, sizeof(T));
  }

 private:
  // Divides the smallest page: a block can be read as a whole or not at all.
  static constexpr size_t kBlock = 1024;
  static constexpr size_t kBlocks = 8;

  bool ReadBlocks(uintptr_t address, char* to, size_t size) {
    if (address + size < address) return false;
    while (size != 0) {
      const uintptr_t block = address / kBlock;
      const size_t skip = address % kBlock;
      const size_t taken = std::min(size, kBlock - skip);
      const char* bytes = Get(block);
      if (bytes == nullptr) return false;
      memcpy(to, bytes + skip, taken);
      to += taken;
      address += taken;
      size -= taken;
    }
    return true;
  }

  const char* Get(uintptr_t block) {
    size_t oldest = 0;
    for (size_t i = 0; i < kBlocks; ++i) {
      if (known_[i] == block) {
        used_[i] = ++uses_;
        return bytes_[i];
      }
      if (used_[i] < used_[oldest]) oldest = i;
    }
    known_[oldest] = 0;
    if (block == 0 || !memory_.Read(block * kBlock, bytes_[oldest], kBlock)) return nullptr;
    known_[oldest] = block;
    used_[oldest] = ++uses_;
    return bytes_[oldest];
  }

  Memory& memory_;
  const bool in_place_;
  uint32_t uses_ = 0;
  uint32_t used_[kBlocks] = {};    // when, by `uses_`
  uintptr_t known_[kBlocks] = {};  // address / kBlock; 0: nothing
  char bytes_[kBlocks][kBlock];
};

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_SCRIPT_MEMORY_H_
