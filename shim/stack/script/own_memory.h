// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_STACK_SCRIPT_OWN_MEMORY_H_
#define PQLEASH_SHIM_STACK_SCRIPT_OWN_MEMORY_H_

#include "shim/stack/script/memory.h"
#include "shim/stack/script/php_perl_memory.h"

namespace pqleash::stack {

// How this process reads its own memory where another thread may unmap it meanwhile.
enum class OwnReads : uint32_t {
  kUnknown,
  kCopied,  // by the kernel (process_vm_readv): what has gone is an error
  kProbed,  // by ourselves, when the kernel has said that the page can be read (rt_sigprocmask, as
            // in PHP's and Perl's readers)
};

// Decides, once, by whether the thread has a filter of system calls (seccomp(2)), which may kill
// for a call that it does not know: then pages are probed. Reads /proc/thread-self/status. May
// change errno. For the moment when an interpreter is found.
void ChooseOwnReads();

// What /proc/PID/status says of filters: true if there is none.
bool SaysNoFilter(const char* status);

// For one capture. Before ChooseOwnReads nothing can be read. `in_place`: the caller knows that
// nothing of what it will ask for is unmapped meanwhile, and what lies where.
class OwnMemory final : public Memory {
 public:
  explicit OwnMemory(bool in_place = false);
  bool in_place() const override { return in_place_; }
  bool Read(uintptr_t address, void* to, size_t size) override;

 private:
  const bool in_place_;
  const OwnReads reads_;
  uintptr_t pid_ = 0;  // 0: not asked for yet
  CheckedMemory checked_;
};

}  // namespace pqleash::stack

#endif  // PQLEASH_SHIM_STACK_SCRIPT_OWN_MEMORY_H_
