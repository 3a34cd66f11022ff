// SPDX-License-Identifier: Apache-2.0

#include "reporter/doctor/kernel.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/mman.h>

#include <charconv>
#include <cstdint>
#include <string_view>

#include "reporter/snapshot/proc_files.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14
#endif

namespace pqleash::reporter {
namespace {

constexpr size_t kPage = 4096;

bool TakesAdvice(int advice) {
  void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  const bool taken = madvise(page, kPage, advice) == 0;
  munmap(page, kPage);
  return taken;
}

Check JudgeTracing(const Kernel& kernel) {
  constexpr char kWhat[] = "look into other processes";
  if (kernel.may_trace_all) return Ok(kWhat, "allowed (CAP_SYS_PTRACE)");
  const int scope = kernel.ptrace_scope.value_or(0);
  if (scope == 0) return Ok(kWhat, "allowed for processes of this user");
  return Warn(kWhat,
              fmt::format("not allowed: kernel.yama.ptrace_scope is {}, and CAP_SYS_PTRACE is "
                          "missing; ledgers do not need it, scans of a process's memory will",
                          scope),
              scope >= 3 ? "nothing helps before the next start of the system"
                         : "run pqleash as root where a command asks for it");
}

}  // namespace

bool HasTraceCapability(const std::string& status) {
  constexpr std::string_view kField = "CapEff:\t";
  const size_t at = status.find(kField);
  if (at == std::string::npos) return false;
  uint64_t capabilities = 0;
  const char* begin = status.data() + at + kField.size();
  const auto result = std::from_chars(begin, status.data() + status.size(), capabilities, 16);
  return result.ec == std::errc() && (capabilities >> CAP_SYS_PTRACE & 1) != 0;
}

Kernel LookAtKernel(const std::string& proc) {
  Kernel kernel;
  kernel.populate_write = TakesAdvice(MADV_POPULATE_WRITE);
  kernel.wipe_on_fork = TakesAdvice(MADV_WIPEONFORK);
  if (const auto text = ReadProcFile(proc + "/sys/kernel/yama/ptrace_scope")) {
    int scope = 0;
    const auto result = std::from_chars(text->data(), text->data() + text->size(), scope);
    if (result.ec == std::errc()) kernel.ptrace_scope = scope;
  }
  kernel.may_trace_all = HasTraceCapability(ReadProcFile(proc + "/self/status").value_or(""));
  return kernel;
}

std::vector<Check> Judge(const Kernel& kernel) {
  std::vector<Check> checks;
  if (kernel.populate_write) {
    checks.push_back(Ok("kernel, MADV_POPULATE_WRITE", "there"));
  } else {
    checks.push_back(Warn("kernel, MADV_POPULATE_WRITE",
                          "missing (Linux 5.14): ledgers take all of their space at once",
                          "leave room for that on the file system of the ledgers"));
  }
  if (kernel.wipe_on_fork) {
    checks.push_back(Ok("kernel, MADV_WIPEONFORK", "there"));
  } else {
    checks.push_back(Warn("kernel, MADV_WIPEONFORK",
                          "missing (Linux 4.14): children that are made without the C library's "
                          "fork are taken for their parents",
                          "use a later kernel where programs call clone themselves"));
  }
  checks.push_back(JudgeTracing(kernel));
  return checks;
}

}  // namespace pqleash::reporter
