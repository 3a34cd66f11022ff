// SPDX-License-Identifier: Apache-2.0
//
// Programs that put a filter of system calls around themselves (seccomp(2)) which kills. Whether
// one is there cannot be asked: the question is a system call that it may kill for. So it is told
// by what the program is linked to whether one may come, and then everything that takes system
// calls of our own is done before main. shim/SYSCALLS.md says which calls remain, and when.

#ifndef PQLEASH_SHIM_TRACKER_SANDBOX_H_
#define PQLEASH_SHIM_TRACKER_SANDBOX_H_

#include <cstdint>

namespace pqleash::tracker {

// Of a constructor's arguments. Looks whether the executable needs libpq and a function that
// filters are made with; true: it does, and the state of the process is to be made now. Calls
// nothing that a host may have replaced.
bool LookForFilterMakers(int argc, char** argv, char** environment);

// Whether that was the answer, in this process or in the one that it was forked from: once the
// state is made, no system call of ours but those that libpq makes in a connect.
bool FilterExpected();

// Whether the calling thread has more filters than the program was started with. Only asked where
// the executable can make one, by openat, read and close of a file in /proc; false elsewhere.
bool FilterCame();

// Of the calling thread; where a filter is expected without a system call. 0: not known.
int32_t ThreadId();

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_SANDBOX_H_
