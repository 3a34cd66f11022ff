// SPDX-License-Identifier: Apache-2.0
//
// What is known of a process before anything is done to it, and why it is left alone.

#ifndef PQLEASH_REPORTER_ATTACH_TARGET_H_
#define PQLEASH_REPORTER_ATTACH_TARGET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pqleash::reporter {

struct TargetFacts {
  int32_t pid = 0;
  bool exists = false;
  bool readable = false;       // its maps, environment and auxiliary vector
  std::string why_unreadable;  // one clause; empty: readable
  bool has_program = false;    // no thread of the kernel, no zombie
  std::string program;         // file name of its executable, without the path
  uint16_t machine = 0;        // e_machine of its executable
  uint16_t own_machine = 0;    // and of this tool
  bool is_64_bit = false;
  bool secure = false;  // AT_SECURE: set-user-ID, or capabilities of the file
  int32_t tracer = 0;   // pid of who traces it; 0: nobody
  bool stopped = false;
  int32_t seccomp = 0;        // mode; 0: none
  bool shadow_stack = false;  // the processor checks return addresses
  bool has_glibc = false;     // libc.so.6 and a dynamic linker are mapped
  bool has_musl = false;
  bool disabled = false;  // PQLEASH_DISABLE in its environment
};

// Reads /proc, and changes nothing.
TargetFacts ReadTargetFacts(int32_t pid, const std::string& proc = "/proc");

// In one sentence why nothing is attached to the process, and what to do; no value: nothing is in
// the way. `force`: a filter of system calls is accepted. Pure.
std::optional<std::string> WhyNotAttach(const TargetFacts& facts, bool force);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ATTACH_TARGET_H_
