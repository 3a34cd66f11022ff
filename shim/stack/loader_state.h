// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_STACK_LOADER_STATE_H_
#define PQLEASH_SHIM_STACK_LOADER_STATE_H_

#include <link.h>

#include <atomic>
#include <cstdint>

#include "shim/support/hash.h"

namespace pqleash {

// How often the dynamic linker has added and removed objects (dl_iterate_phdr(3)). A new `removed`
// means that an address may name other code than before.
struct LoaderState {
  uint64_t added = 0;
  uint64_t removed = 0;

  uint64_t Hash() const { return Mix(added, removed); }
  bool operator==(const LoaderState&) const = default;
};

// Of this thread.
struct LoaderCalls {
  LoaderState last;  // read last; zeros: nothing yet
  bool under_way;
};
inline constinit thread_local LoaderCalls loader_calls
    __attribute__((tls_model("initial-exec"))) = {};

// A scope that calls the linker's functions. Their locks are recursive, but not in the moments in
// which they are taken and given back: a signal handler that calls one there waits for its own
// thread. A handler that is `nested` in such a scope goes by what is known.
class LoaderCall {
 public:
  LoaderCall() : nested_(loader_calls.under_way) {
    loader_calls.under_way = true;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  ~LoaderCall() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    loader_calls.under_way = nested_;
  }
  LoaderCall(const LoaderCall&) = delete;
  LoaderCall& operator=(const LoaderCall&) = delete;

  bool nested() const { return nested_; }

 private:
  const bool nested_;
};

// Reads it by `iterate`, a dl_iterate_phdr. Nested in another call it is what the thread has read
// last; other threads may have loaded something since.
template <typename Iterate>
LoaderState ReadLoaderStateBy(Iterate iterate) {
  LoaderState state;
  {
    const LoaderCall call;
    if (call.nested() && loader_calls.last.added != 0) return loader_calls.last;
    iterate(
        [](dl_phdr_info* info, size_t, void* data) {
          *static_cast<LoaderState*>(data) = {info->dlpi_adds, info->dlpi_subs};
          return 1;
        },
        &state);
  }
  // Written outside of the call, where no handler goes by it: none sees one number of two.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  loader_calls.last = state;
  return state;
}

// One uncontended lock of the linker's and one call back, some 30 ns.
inline LoaderState ReadLoaderState() { return ReadLoaderStateBy(dl_iterate_phdr); }

}  // namespace pqleash

#endif  // PQLEASH_SHIM_STACK_LOADER_STATE_H_
