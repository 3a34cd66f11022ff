// SPDX-License-Identifier: Apache-2.0

#include "shim/stack/script/own_memory.h"

#include <sys/syscall.h>
#include <sys/uio.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "shim/support/filters.h"
#include "shim/support/raw_syscall.h"

namespace pqleash::stack {
namespace {

constinit std::atomic<bool> always_probed = false;

uintptr_t Word(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

}  // namespace

void AlwaysProbe() { always_probed.store(true, std::memory_order_relaxed); }

OwnMemory::OwnMemory(bool in_place) : in_place_(in_place) {}

bool OwnMemory::Read(uintptr_t address, void* to, size_t size) {
  if (in_place_) {
    memcpy(to, reinterpret_cast<const void*>(address), size);
    return true;
  }
  if (way_ == Way::kUnknown) {
    way_ = Way::kProbed;
    if (!always_probed.load(std::memory_order_relaxed)) {
      const Filters filters = FiltersOfThread();
      if (filters.known && filters.mode == 0) way_ = Way::kCopied;
    }
  }
  if (way_ == Way::kCopied) {
    if (pid_ == 0) pid_ = static_cast<uintptr_t>(RawSyscall(SYS_getpid, 0));
    const iovec here = {to, size};
    const iovec there = {reinterpret_cast<void*>(address), size};
    const long copied = RawSyscall(SYS_process_vm_readv, pid_, Word(&here), 1, Word(&there), 1, 0);
    if (copied == static_cast<long>(size)) return true;
    // Not known to this kernel, or not wanted: pages are probed from the next capture on.
    if (copied == -ENOSYS || copied == -EPERM || copied == -EACCES) AlwaysProbe();
    return false;
  }
  if (!checked_.Readable(address, size)) return false;
  memcpy(to, reinterpret_cast<const void*>(address), size);
  return true;
}

}  // namespace pqleash::stack
