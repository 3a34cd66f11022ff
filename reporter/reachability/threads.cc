// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/threads.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::milliseconds(100);  // for a thread to stop
constexpr int kMaxRounds = 100;  // of listing threads: they may start threads until all stand still
constexpr size_t kRegisterBytes = 1024;

std::string TaskDirectory(int32_t pid, const std::string& proc) {
  return fmt::format("{}/{}/task", proc, pid);
}

std::string NameOf(const std::string& directory, int32_t tid) {
  std::string name = ReadProcFile(fmt::format("{}/{}/comm", directory, tid)).value_or("");
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

// Threads under ptrace. Whatever happens, the destructor lets them go.
class Seized {
 public:
  explicit Seized(int32_t pid) : pid_(pid), directory_(TaskDirectory(pid, "/proc")) {}
  ~Seized() {
    for (const Entry& entry : entries_) {
      if (entry.stopped) ptrace(PTRACE_DETACH, entry.tid, nullptr, entry.signal);
    }
  }
  Seized(const Seized&) = delete;
  Seized& operator=(const Seized&) = delete;

  // Empty, or why not all threads stand still.
  std::string Stop() {
    for (int round = 0; round < kMaxRounds; ++round) {
      const size_t before = entries_.size();
      for (const int32_t tid : ListPids(directory_)) {
        if (Knows(tid)) continue;
        std::string error = Seize(tid);
        if (!error.empty()) return error;
      }
      if (entries_.size() == before) {
        return entries_.empty() ? "the process is gone" : std::string();
      }
      for (size_t i = before; i < entries_.size(); ++i) {
        if (!WaitFor(&entries_[i])) {
          return fmt::format("thread {} does not stop", entries_[i].tid);
        }
      }
    }
    return "it starts threads all the time";
  }

  std::vector<StoppedThread> Look() const {
    std::vector<StoppedThread> threads;
    for (const Entry& entry : entries_) {
      if (entry.stopped) threads.push_back(Look(entry.tid));
    }
    return threads;
  }

 private:
  struct Entry {
    int32_t tid = 0;
    bool stopped = false;
    long signal = 0;  // to be delivered when it goes on
  };

  bool Knows(int32_t tid) const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [&](const Entry& entry) { return entry.tid == tid; });
  }

  std::string Seize(int32_t tid) {
    if (ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) != 0) {
      if (errno == ESRCH) return {};  // it has ended
      return WhyRefused(pid_, errno);
    }
    ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
    entries_.push_back({tid});
    return {};
  }

  // A thread that ended meanwhile counts as stopped.
  static bool WaitFor(Entry* entry) {
    for (const auto limit = Clock::now() + kPatience;;) {
      int status = 0;
      const pid_t got = waitpid(entry->tid, &status, __WALL | WNOHANG);
      if (got == entry->tid) {
        if (!WIFSTOPPED(status)) return true;
        entry->stopped = true;
        // A stop for a signal takes the signal away from the thread, unless it is given back.
        if (status >> 16 == 0) entry->signal = WSTOPSIG(status);
        return true;
      }
      if (got < 0 && errno != EINTR) return true;
      if (Clock::now() >= limit) return false;
      usleep(10);
    }
  }

  StoppedThread Look(int32_t tid) const {
    StoppedThread stopped;
    stopped.thread.tid = tid;
    stopped.thread.name = NameOf(directory_, tid);
    stopped.registers.resize(2 * kRegisterBytes);
    size_t used = 0;
    for (const long set : {long{NT_PRSTATUS}, long{NT_PRFPREG}}) {
      struct iovec bytes = {stopped.registers.data() + used, kRegisterBytes};
      if (ptrace(PTRACE_GETREGSET, tid, set, &bytes) == 0) used += bytes.iov_len;
#if defined(__x86_64__)
      if (set == NT_PRSTATUS && bytes.iov_len >= sizeof(user_regs_struct)) {
        user_regs_struct registers;
        std::memcpy(&registers, stopped.registers.data(), sizeof registers);
        stopped.thread.stack_pointer = registers.rsp;
        stopped.thread.thread_pointer = registers.fs_base;
      }
#endif
    }
    stopped.registers.resize(used);
    return stopped;
  }

  int32_t pid_;
  std::string directory_;
  std::vector<Entry> entries_;
};

}  // namespace

std::vector<Thread> ListThreads(int32_t pid, const std::string& proc) {
  const std::string directory = TaskDirectory(pid, proc);
  std::vector<Thread> threads;
  for (const int32_t tid : ListPids(directory)) {
    Thread thread;
    thread.tid = tid;
    thread.name = NameOf(directory, tid);
    const auto syscall = ReadProcFile(fmt::format("{}/{}/syscall", directory, tid));
    if (syscall) thread.stack_pointer = StackPointerIn(*syscall).value_or(0);
    threads.push_back(std::move(thread));
  }
  return threads;
}

// 'running', or the number and six arguments of the call, the stack pointer and the program
// counter;
// '-1 0x7ffc… 0x7f…' outside of a call.
std::optional<uint64_t> StackPointerIn(std::string_view syscall) {
  while (!syscall.empty() && (syscall.back() == '\n' || syscall.back() == ' ')) {
    syscall.remove_suffix(1);
  }
  const size_t last = syscall.rfind(' ');
  if (last == std::string_view::npos) return std::nullopt;
  syscall = syscall.substr(0, last);
  const size_t begin = syscall.rfind(' ');
  if (begin == std::string_view::npos) return std::nullopt;
  syscall.remove_prefix(begin + 1);
  if (!syscall.starts_with("0x")) return std::nullopt;
  syscall.remove_prefix(2);
  uint64_t number = 0;
  const auto [rest, error] =
      std::from_chars(syscall.data(), syscall.data() + syscall.size(), number, 16);
  if (error != std::errc() || rest != syscall.data() + syscall.size()) return std::nullopt;
  return number;
}

std::string WithThreadsStopped(int32_t pid,
                               const std::function<void(const std::vector<StoppedThread>&)>& look) {
  Seized seized(pid);
  std::string error = seized.Stop();
  if (error.empty()) look(seized.Look());
  return error;
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
