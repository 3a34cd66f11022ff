// SPDX-License-Identifier: Apache-2.0
//
// Writes to a descriptor of the host without waiting for the reader at its other end.

#ifndef PQLEASH_SHIM_LOG_WRITE_NOW_H_
#define PQLEASH_SHIM_LOG_WRITE_NOW_H_

#include <sys/stat.h>

#include <cstddef>

namespace pqleash::log {

// Writes `size` bytes, at most PIPE_BUF (4,096), to `fd`. `status` is the result of fstat(2) for
// `fd`. It writes all bytes or none, except for a file or device that ends in the middle. Returns
// whether all bytes were written.
//
// O_NONBLOCK of `fd` itself is left alone, because the host, and the processes that inherited the
// descriptor, share that flag. No signal is raised if the caller holds SIGPIPE, SIGXFSZ and SIGTTOU
// back, as it must. No heap, no exceptions. May change errno.
//
//  - A socket has a flag for a single call: MSG_DONTWAIT, send(2).
//  - A pipe or a terminal is asked by poll(2) and then opened again through /proc/self/fd, which
//    makes an open file description of our own with O_NONBLOCK, proc(5). Where that fails (no
//    /proc, another user's pipe), the descriptor is written to directly: a pipe that poll(2) calls
//    writable takes PIPE_BUF bytes at once, pipe(7), unless another process takes that room first.
//  - A file is written in place; it has no reader to wait for.
//
// The function makes system calls directly. The host may have replaced libc's functions by some
// that wait.
bool WriteNow(int fd, const struct stat& status, const char* bytes, size_t size);

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_WRITE_NOW_H_
