// SPDX-License-Identifier: Apache-2.0
//
// The stack of a stopped thread of another process, with the names of its functions. Unwind tables
// and symbol tables are those of the files, as the process sees them; they are read before any
// thread is stopped.

#ifndef PQLEASH_REPORTER_ATTACH_REMOTE_STACK_H_
#define PQLEASH_REPORTER_ATTACH_REMOTE_STACK_H_

#include <sys/user.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "reporter/attach/remote_memory.h"
#include "reporter/attach/thread_places.h"

struct Dwfl;

namespace pqleash::reporter {

struct StackWalk;

class RemoteStack {
 public:
  RemoteStack(const RemoteMemory& memory, int32_t pid);
  ~RemoteStack();
  RemoteStack(const RemoteStack&) = delete;
  RemoteStack& operator=(const RemoteStack&) = delete;

  // Reads the tables of all modules, unless they are still the same. Takes long: no thread may be
  // stopped meanwhile.
  void Prepare();

  // Of a thread with these registers, innermost first. `whole`: it was followed to the end.
  std::vector<CodePlace> Walk(int32_t tid, const user_regs_struct& registers, bool* whole);

 private:
  const int32_t pid_;
  std::unique_ptr<StackWalk> walk_;
  Dwfl* dwfl_ = nullptr;
  std::string maps_;  // of executable code, when the tables were read
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_REMOTE_STACK_H_
