// SPDX-License-Identifier: Apache-2.0
//
// Guards for what the library's own work must not change in the host.

#ifndef PQLEASH_SHIM_SUPPORT_HOST_STATE_H_
#define PQLEASH_SHIM_SUPPORT_HOST_STATE_H_

#include <pthread.h>

#include <cerrno>

namespace pqleash {

// Restores errno at the end of a scope.
class ErrnoKeeper {
 public:
  ErrnoKeeper() : errno_(errno) {}
  ~ErrnoKeeper() { errno = errno_; }
  ErrnoKeeper(const ErrnoKeeper&) = delete;
  ErrnoKeeper& operator=(const ErrnoKeeper&) = delete;

 private:
  const int errno_;
};

// Restores errno, and disables thread cancellation meanwhile. open, write and close are
// cancellation points. A cancelled thread must end in the host's code, where the host's clean-up
// handlers run, and not half-way through ours. For the slow paths: creating the ledger, scanning
// modules, writing to the log.
class HostStateKeeper {
 public:
  HostStateKeeper() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_); }
  ~HostStateKeeper() { pthread_setcancelstate(cancel_state_, nullptr); }
  HostStateKeeper(const HostStateKeeper&) = delete;
  HostStateKeeper& operator=(const HostStateKeeper&) = delete;

 private:
  ErrnoKeeper errno_keeper_;
  int cancel_state_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_HOST_STATE_H_
