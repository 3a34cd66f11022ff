// SPDX-License-Identifier: Apache-2.0
//
// References that the kernel keeps for a process: user data of epoll and of timers. What it keeps
// and does not show is named.

#ifndef PQLEASH_REPORTER_REACHABILITY_KERNEL_REFERENCES_H_
#define PQLEASH_REPORTER_REACHABILITY_KERNEL_REFERENCES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter {

struct KernelReference {
  uint64_t value = 0;
  std::string where;  // 'user data of epoll descriptor 5'
};

struct KernelReferences {
  std::vector<KernelReference> references;
  std::string missing;  // what could not be read, one clause; empty: nothing
};

// The words 'data' of the content of /proc/PID/fdinfo/FD of an epoll descriptor. Pure.
std::vector<uint64_t> EpollData(std::string_view fdinfo);

// The values that signals of timers carry, of the content of /proc/PID/timers. Pure.
std::vector<uint64_t> TimerData(std::string_view timers);

KernelReferences ReadKernelReferences(int32_t pid, const std::string& proc = "/proc");

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_KERNEL_REFERENCES_H_
