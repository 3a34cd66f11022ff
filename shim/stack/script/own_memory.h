// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_STACK_SCRIPT_OWN_MEMORY_H_
#define PQLEASH_SHIM_STACK_SCRIPT_OWN_MEMORY_H_

#include "shim/stack/script/memory.h"
#include "shim/stack/script/php_perl_memory.h"

namespace pqleash::stack {

// For the process: pages are always probed, without a look at the thread's filters. For programs
// that are known to make filters, before they do (tracker/sandbox.h).
void AlwaysProbe();

// This process's memory, of which another thread may unmap something meanwhile, for one capture.
// Reads by process_vm_readv, which makes an error of what has gone. A filter of system calls
// (seccomp(2)) may kill for that: the first read looks whether this thread has one, by openat, read
// and close of /proc/thread-self/status, which interpreters make themselves. Under a filter pages
// are probed instead, by rt_sigprocmask, as in PHP's and Perl's readers. May change errno.
//
// `in_place`: the caller knows that nothing of what it will ask for is unmapped meanwhile, and what
// lies where.
class OwnMemory final : public Memory {
 public:
  explicit OwnMemory(bool in_place = false);
  bool in_place() const override { return in_place_; }
  bool Read(uintptr_t address, void* to, size_t size) override;

 private:
  enum class Way : uint8_t { kUnknown, kCopied, kProbed };

  const bool in_place_;
  Way way_ = Way::kUnknown;
  uintptr_t pid_ = 0;  // 0: not asked for yet
  CheckedMemory checked_;
};

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_SCRIPT_OWN_MEMORY_H_
