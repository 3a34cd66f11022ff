// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_SUPPORT_SIGNALS_BLOCKED_H_
#define PQLEASH_SHIM_SUPPORT_SIGNALS_BLOCKED_H_

#include <pthread.h>

#include <csignal>

namespace pqleash {

// Blocks all signals of the thread until the end of a scope. Otherwise a handler of the host that
// leaves by siglongjmp could keep a lock of the library, or leave a line half written. For sections
// that never wait.
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
