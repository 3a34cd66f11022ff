// SPDX-License-Identifier: Apache-2.0
//
// Calls into a process on one of its threads: the thread is found, held, and let go at the end,
// with a block of memory in the process for stack, order and answer that may outlive the session.

#ifndef PQLEASH_REPORTER_ATTACH_SESSION_H_
#define PQLEASH_REPORTER_ATTACH_SESSION_H_

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>

#include "reporter/attach/held_thread.h"
#include "reporter/attach/libc_places.h"
#include "reporter/attach/remote_memory.h"
#include "reporter/attach/remote_stack.h"
#include "shim/attach/order.h"

namespace pqleash::reporter {

// Memory of the process that is ours. A tool that is killed leaves it behind, which harms nothing.
struct RemoteBlock {
  uint64_t address = 0;  // 0: there is none
  uint64_t StackTop() const;
  uint64_t Order() const;  // address of an attach::Order
  uint64_t Text() const;   // and of kTextSize bytes
  static constexpr uint64_t kTextSize = 4096;
  static uint64_t Size();
};

class Session {
 public:
  // Holds a thread, and makes the block if there is none. Look at error() before all else.
  Session(int32_t pid, const RemoteMemory& memory, RemoteStack* stack, const LibcPlaces& places,
          RemoteBlock* block);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // One clause; empty: calls can be made.
  const std::string& error() const { return error_; }

  // As HeldThread::Call, on the block's stack.
  std::optional<uint64_t> Call(uint64_t function, std::initializer_list<uint64_t> arguments);
  // Writes the order but for the list of connections, calls pqleash_attach at `entry` with it, and
  // reads the answer back. False: error() says why.
  bool Carry(uint64_t entry, attach::Order* order);
  // Gives the block back to the process.
  void FreeBlock();

  // How long the thread has been held, in microseconds.
  uint64_t HeldUs() const;

 private:
  const RemoteMemory& memory_;
  const LibcPlaces& places_;
  RemoteBlock* block_;
  std::unique_ptr<HeldThread> thread_;
  std::string error_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_SESSION_H_
