// SPDX-License-Identifier: Apache-2.0

#include "shim/support/stack_room.h"

#include <pthread.h>
#include <unistd.h>

#include <cstdint>

namespace pqleash {

bool StackHasRoom(size_t size) {
  if (gettid() == getpid()) return true;
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return true;
  void* lowest = nullptr;
  size_t whole = 0;
  pthread_attr_getstack(&attributes, &lowest, &whole);
  pthread_attr_destroy(&attributes);
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const auto begin = reinterpret_cast<uintptr_t>(lowest);
  const bool on_it = here >= begin && here - begin < whole;
  return !on_it || here - begin >= size;
}

}  // namespace pqleash
