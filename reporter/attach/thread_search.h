// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_ATTACH_THREAD_SEARCH_H_
#define PQLEASH_REPORTER_ATTACH_THREAD_SEARCH_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "reporter/attach/held_thread.h"
#include "reporter/attach/remote_memory.h"
#include "reporter/attach/remote_stack.h"

namespace pqleash::reporter {

// Stops a thread of the process that stands where functions can be called on it (thread_places.h),
// on a stack of its own with room. One that waits in the kernel, and does not notice a stop, comes
// first; where there is none for a while, one that waits with a time-out of which the kernel keeps
// no account, or one that runs. One thread at a time is stopped, for as long as its stack is looked
// at. nullptr: none was found within `patience`; `error` says why, in one clause.
std::unique_ptr<HeldThread> HoldThread(int32_t pid, const RemoteMemory& memory, RemoteStack* stack,
                                       std::chrono::milliseconds patience, std::string* error);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_THREAD_SEARCH_H_
