// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_STACK_ROOM_H_
#define PQLEASH_SHIM_SUPPORT_STACK_ROOM_H_

#include <cstddef>

namespace pqleash {

// Making the process's state, or reading its configuration again, takes up to 14 KiB of stack
// (config_test.cc verifies this). A thread may have 16 KiB in all (PTHREAD_STACK_MIN), which is
// enough for libpq. Such a thread leaves both to the next thread that connects. In bytes.
inline constexpr size_t kStackForConfiguration = size_t{24} * 1024;

// Whether the calling thread has at least `size` bytes of stack left, according to
// pthread_getattr_np(3) and, on a signal's alternate stack, sigaltstack(2). An alternate stack may
// be small: SIGSTKSZ is enough for libpq and a unix socket. Also true on the first thread's stack,
// and on stacks of neither kind: a coroutine's stack must be large enough for libpq's look-up of
// names anyway. May change errno.
bool StackHasRoom(size_t size);

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_STACK_ROOM_H_
