// SPDX-License-Identifier: Apache-2.0
//
// Writing to a descriptor of the host without waiting for whoever reads at its other end.

#ifndef PQLEASH_SHIM_LOG_WRITE_NOW_H_
#define PQLEASH_SHIM_LOG_WRITE_NOW_H_

#include <sys/stat.h>

#include <cstddef>

namespace pqleash::log {

// Writes all of `size` bytes, at most PIPE_BUF (4,096), to `fd`, whose fstat(2) is `status`, or
// nothing, or a part where its end is at that moment. False: not all is written. O_NONBLOCK of `fd`
// stays as it is: the host, and processes that inherited it, share that flag. No signal is raised:
// the caller holds SIGPIPE, SIGXFSZ and SIGTTOU back. No heap, no exceptions. May change errno.
//
//  - A socket has a flag of its own for that: MSG_DONTWAIT, send(2).
//  - A pipe or a terminal is asked by poll(2), and then opened anew by /proc/self/fd, which makes
//  an
//    open file description with O_NONBLOCK for us alone, proc(5). Where that is not to be had (no
//    /proc, another user's pipe), it is written to as it is: a pipe that poll(2) calls writable
//    takes PIPE_BUF bytes at once, pipe(7), unless another process takes that room first.
//  - A file is written in place: it waits for no reader.
//
// By system calls, not by libc's functions, which a host may have replaced by some that wait.
bool WriteNow(int fd, const struct stat& status, const char* bytes, size_t size);

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_WRITE_NOW_H_
