// SPDX-License-Identifier: Apache-2.0

#include "shim/support/stack_room.h"

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

namespace pqleash {

namespace {

// Whether `here` is on the first thread's stack: the kernel puts the bytes of AT_RANDOM at its top.
bool OnFirstStack(uintptr_t here) {
  constexpr uintptr_t kDeepest = uintptr_t{64} << 20;
  const uintptr_t top = getauxval(AT_RANDOM);
  return here < top && top - here < kDeepest;
}

// Whether there is room on a signal's alternate stack. Returns true for any other stack, whose size
// is not known. Makes a raw system call, and only for foreign stacks, because a filter may forbid
// it.
bool SignalStackHasRoom(uintptr_t here, size_t size) {
  stack_t stack = {};
  if (syscall(SYS_sigaltstack, nullptr, &stack) != 0) return true;
  const auto begin = reinterpret_cast<uintptr_t>(stack.ss_sp);
  const bool on_it =
      (stack.ss_flags & SS_ONSTACK) != 0 && here >= begin && here - begin < stack.ss_size;
  return !on_it || here - begin >= size;
}

}  // namespace

bool StackHasRoom(size_t size) {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  if (gettid() == getpid()) return OnFirstStack(here) || SignalStackHasRoom(here, size);
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return true;
  void* lowest = nullptr;
  size_t whole = 0;
  pthread_attr_getstack(&attributes, &lowest, &whole);
  pthread_attr_destroy(&attributes);
  const auto begin = reinterpret_cast<uintptr_t>(lowest);
  const bool on_it = here >= begin && here - begin < whole;
  return on_it ? here - begin >= size : SignalStackHasRoom(here, size);
}

}  // namespace pqleash
