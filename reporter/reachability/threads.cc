// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/threads.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {

Thread ReadThread(int32_t pid, int32_t tid, const std::string& proc) {
  const std::string directory = fmt::format("{}/{}/task/{}", proc, pid, tid);
  Thread thread;
  thread.tid = tid;
  thread.name = ReadProcFile(directory + "/comm").value_or("");
  while (!thread.name.empty() && thread.name.back() == '\n') thread.name.pop_back();
  const auto call = ReadProcFile(directory + "/syscall");
  if (call) thread.activity = ParseActivity(*call);
  thread.stack_pointer = thread.activity.stack_pointer;
  return thread;
}

std::vector<Thread> ListThreads(int32_t pid, const std::string& proc) {
  std::vector<Thread> threads;
  for (const int32_t tid : ListPids(fmt::format("{}/{}/task", proc, pid))) {
    threads.push_back(ReadThread(pid, tid, proc));
  }
  return threads;
}

std::string WhyRefused(int32_t pid, int error, const std::string& proc) {
  if (error == ESRCH) return "the process is gone";
  if (error == ENOSYS) return "this kernel, or a filter of its system calls, does not allow it";
  const std::string status = ReadProcFile(fmt::format("{}/{}/status", proc, pid)).value_or("");
  const size_t tracer = status.find("\nTracerPid:\t");
  if (tracer != std::string::npos && status.compare(tracer + 12, 2, "0\n") != 0) {
    return "a debugger is attached to it";
  }
  struct stat owner;
  if (geteuid() != 0 && stat(fmt::format("{}/{}", proc, pid).c_str(), &owner) == 0 &&
      owner.st_uid != geteuid()) {
    return "it belongs to another user: run pqleash as its user, or as root";
  }
  const std::string scope =
      ReadProcFile(proc + "/sys/kernel/yama/ptrace_scope").value_or("0").substr(0, 1);
  if (scope == "3" || (scope != "0" && geteuid() != 0)) {
    return fmt::format(
        "kernel.yama.ptrace_scope is {}: run pqleash as root, or with the capability "
        "CAP_SYS_PTRACE",
        scope);
  }
  return "ptrace is refused: run pqleash with the capability CAP_SYS_PTRACE, outside of the "
         "container where it is in one";
}

}  // namespace pqleash::reporter
