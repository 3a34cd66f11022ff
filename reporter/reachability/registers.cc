// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/registers.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::milliseconds(100);  // for all threads to stop
constexpr int kMaxRounds = 100;  // of listing threads: they may start threads until all stand still
constexpr size_t kRegisterBytes = 1024;

#if defined(__x86_64__)
constexpr bool kCanBeginAnew = true;
#else
constexpr bool kCanBeginAnew = false;
#endif

// Threads under ptrace. Of the thread that makes it alone, which must end afterwards: a thread that
// did not stop in time is let go by that, and by nothing else.
class Seized {
 public:
  Seized(int32_t pid, bool all_threads)
      : pid_(pid), all_threads_(all_threads && kCanBeginAnew) {}
  ~Seized() {
    for (const Entry& entry : entries_) {
      if (entry.stopped) ptrace(PTRACE_DETACH, entry.thread.tid, nullptr, entry.signal);
    }
  }
  Seized(const Seized&) = delete;
  Seized& operator=(const Seized&) = delete;

  // Empty, or why not all threads stand still that should.
  std::string Stop() {
    const auto limit = Clock::now() + kPatience;
    for (int round = 0; round < kMaxRounds; ++round) {
      const size_t before = entries_.size();
      const size_t left_before = left_alone_.size();
      // All are asked for before the first one is stopped, so that it does not wait for that.
      std::vector<Thread> fresh;
      for (const int32_t tid : ListPids(fmt::format("/proc/{}/task", pid_))) {
        if (!Knows(tid)) fresh.push_back(ReadThread(pid_, tid));
      }
      for (Thread& thread : fresh) {
        std::string error = Seize(std::move(thread));
        if (!error.empty()) return error;
      }
      if (entries_.size() == before && left_alone_.size() == left_before) {
        return entries_.empty() && left_alone_.empty() ? "the process is gone" : std::string();
      }
      for (size_t i = before; i < entries_.size(); ++i) {
        if (!WaitFor(&entries_[i], limit)) {
          return fmt::format("thread {} does not stop", entries_[i].thread.tid);
        }
      }
    }
    return "it starts threads all the time";
  }

  std::vector<StoppedThread> Look() const {
    std::vector<StoppedThread> threads;
    for (const Entry& entry : entries_) {
      if (entry.stopped) threads.push_back(Look(entry));
    }
    return threads;
  }

  std::vector<Thread> left_alone() const { return left_alone_; }

 private:
  struct Entry {
    Thread thread;
    bool stopped = false;
    long signal = 0;  // to be delivered when it goes on
  };

  bool Knows(int32_t tid) const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [&](const Entry& entry) { return entry.thread.tid == tid; }) ||
           std::any_of(left_alone_.begin(), left_alone_.end(),
                       [&](const Thread& thread) { return thread.tid == tid; });
  }

  // Between the look at what the thread does and its stop it may do something else: see BeginAnew.
  std::string Seize(Thread thread) {
    const bool unnoticed =
        StopsUnnoticed(thread.activity) &&
        (kCanBeginAnew || thread.activity.kind != Activity::Kind::kRunning);
    if (!unnoticed && !all_threads_) {
      left_alone_.push_back(std::move(thread));
      return {};
    }
    if (ptrace(PTRACE_SEIZE, thread.tid, nullptr, nullptr) != 0) {
      if (errno == ESRCH) return {};  // it has ended
      return WhyRefused(pid_, errno);
    }
    ptrace(PTRACE_INTERRUPT, thread.tid, nullptr, nullptr);
    entries_.push_back({std::move(thread)});
    return {};
  }

  // A thread that ended meanwhile counts as stopped.
  static bool WaitFor(Entry* entry, Clock::time_point limit) {
    for (;;) {
      int status = 0;
      const pid_t got = waitpid(entry->thread.tid, &status, __WALL | WNOHANG);
      if (got == entry->thread.tid) {
        if (!WIFSTOPPED(status)) return true;
        entry->stopped = true;
        // A stop for a signal takes the signal away from the thread, unless it is given back.
        if (status >> 16 == 0) {
          entry->signal = WSTOPSIG(status);
        } else {
          BeginAnew(entry->thread.tid);
        }
        return true;
      }
      if (got < 0 && errno != EINTR) return true;
      if (Clock::now() >= limit) return false;
      usleep(10);
    }
  }

  // A system call that our stop ended with EINTR has not returned to the program yet. With
  // ERESTARTNOHAND in the place of EINTR the kernel begins it anew, as it does of itself with most
  // others; if there is a signal with a handler after all, the program gets its EINTR.
  static void BeginAnew(int32_t tid) {
#if defined(__x86_64__)
    constexpr int kRestartWithoutHandler = 514;  // ERESTARTNOHAND of the kernel's linux/errno.h
    user_regs_struct registers;
    struct iovec bytes = {&registers, sizeof registers};
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &bytes) != 0 ||
        bytes.iov_len != sizeof registers) {
      return;
    }
    const auto call = static_cast<int64_t>(registers.orig_rax);
    if (call < 0 || static_cast<int64_t>(registers.rax) != -EINTR) return;
    registers.rax = static_cast<uint64_t>(-int64_t{kRestartWithoutHandler});
    ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &bytes);
#else
    static_cast<void>(tid);
#endif
  }

  static StoppedThread Look(const Entry& entry) {
    StoppedThread stopped;
    stopped.thread = entry.thread;
    stopped.registers.resize(2 * kRegisterBytes);
    size_t used = 0;
    for (const long set : {long{NT_PRSTATUS}, long{NT_PRFPREG}}) {
      struct iovec bytes = {stopped.registers.data() + used, kRegisterBytes};
      if (ptrace(PTRACE_GETREGSET, entry.thread.tid, set, &bytes) == 0) used += bytes.iov_len;
#if defined(__x86_64__)
      if (set == NT_PRSTATUS && bytes.iov_len >= sizeof(user_regs_struct)) {
        user_regs_struct registers;
        std::memcpy(&registers, stopped.registers.data(), sizeof registers);
        stopped.thread.stack_pointer = registers.rsp;
      }
#endif
    }
    stopped.registers.resize(used);
    return stopped;
  }

  const int32_t pid_;
  const bool all_threads_;
  std::vector<Entry> entries_;
  std::vector<Thread> left_alone_;
};

}  // namespace

StopOutcome WithThreadsStopped(int32_t pid, bool all_threads,
                               const std::function<void(const std::vector<StoppedThread>&)>& look) {
  StopOutcome outcome;
  try {
    std::thread([&] {
      Seized seized(pid, all_threads);
      outcome.error = seized.Stop();
      outcome.left_alone = seized.left_alone();
      if (outcome.error.empty()) look(seized.Look());
    }).join();
  } catch (const std::system_error&) {
    outcome.error = "no thread could be started to do it";
  }
  return outcome;
}

}  // namespace pqleash::reporter
