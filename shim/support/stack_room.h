// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_STACK_ROOM_H_
#define PQLEASH_SHIM_SUPPORT_STACK_ROOM_H_

#include <cstddef>

namespace pqleash {

// Making the state of the process, and reading its configuration again, take up to 14 KiB
// of stack (config_test.cc holds that). A thread may have 16 KiB (PTHREAD_STACK_MIN), which is
// enough for libpq: it leaves both to the next thread that connects.
inline constexpr size_t kStackForConfiguration = size_t{24} * 1024;

// Whether the calling thread has at least `size` bytes of stack left, from pthread_getattr_np(3)
// and, on a signal's alternate stack, sigaltstack(2): SIGSTKSZ is enough for libpq and a unix
// socket. True as well on the first thread's stack, and on one that is neither: a coroutine's has
// to be large enough for libpq's look-up of names. May change errno.
bool StackHasRoom(size_t size);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_STACK_ROOM_H_
