// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_SIGNALS_BLOCKED_H_
#define PQLEASH_SHIM_SUPPORT_SIGNALS_BLOCKED_H_

#include <pthread.h>

#include <csignal>

namespace pqleash {

// Blocks all signals of the thread: a handler of the host that leaves by siglongjmp would take a
// lock of ours with it, or leave a line half written. For sections that never wait.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace pqleash

#endif  // PQLEASH_SHIM_SUPPORT_SIGNALS_BLOCKED_H_
