// SPDX-License-Identifier: Apache-2.0

#include "reporter/launch/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "shim/support/clock.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kNsPerSecond = 1'000'000'000;
constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

// Holds the forwarded signals and SIGCHLD back for sigwaitinfo, and undoes that.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigemptyset(&set_);
    for (const int signal : kForwarded) sigaddset(&set_, signal);
    sigaddset(&set_, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set_, &old_mask_);
    // Whoever started us with SIGCHLD ignored would have the kernel throw the child's status away.
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &standard, &old_action_);
  }
  ~SignalsHeld() { Release(); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

  // Also called in the child, which must start with what we were started with.
  void Release() const {
    sigaction(SIGCHLD, &old_action_, nullptr);
    sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
  }

  int Wait(siginfo_t* info) const { return sigwaitinfo(&set_, info); }
  // Negative, with EAGAIN, when none came within `ns`.
  int Wait(siginfo_t* info, uint64_t ns) const {
    const struct timespec limit = {static_cast<time_t>(ns / kNsPerSecond),
                                   static_cast<long>(ns % kNsPerSecond)};
    return sigtimedwait(&set_, info, &limit);
  }

 private:
  sigset_t set_;
  sigset_t old_mask_;
  struct sigaction old_action_;
};

// A terminal signals its whole foreground process group, of which the child is one unless it has
// left ours.
bool ReachedByTerminal(const siginfo_t& info, pid_t child) {
  return info.si_code == SI_KERNEL && getpgid(child) == getpgrp();
}

int WaitFor(pid_t child, const SignalsHeld& signals) {
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) return 0;
    siginfo_t info;
    const int signal = signals.Wait(&info);
    if (signal > 0 && signal != SIGCHLD && !ReachedByTerminal(info, child)) kill(child, signal);
  }
}

// Waits for the program and then for what outlives it.
class TreeWait {
 public:
  TreeWait(pid_t child, const SignalsHeld& signals, const Supervision& supervision)
      : child_(child),
        signals_(signals),
        supervision_(supervision),
        next_call_ns_(Now() + supervision.period_ns) {}

  int Wait() {
    while (Reap() && !over_) {
      siginfo_t info;
      const int signal = signals_.Wait(&info, PauseNs());
      if (signal > 0) OnSignal(signal, info);
      if (signal < 0 && errno != EAGAIN && errno != EINTR) break;
      if (Now() < next_call_ns_) continue;
      supervision_.meanwhile();
      next_call_ns_ = Now() + supervision_.period_ns;
    }
    return status_;
  }

 private:
  bool Lingers() const { return deadline_ns_ != 0; }

  // False: no process is left.
  bool Reap() {
    int status = 0;
    pid_t ended = 0;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
      if (ended != child_) continue;
      status_ = status;
      deadline_ns_ = Now() + supervision_.linger_ns;
    }
    if (Lingers() && Now() >= deadline_ns_) over_ = true;
    return ended == 0 || errno == EINTR;
  }

  uint64_t PauseNs() const {
    const uint64_t now = Now();
    uint64_t until = next_call_ns_;
    if (Lingers()) until = std::min(until, deadline_ns_);
    return until > now ? until - now : 0;
  }

  void OnSignal(int signal, const siginfo_t& info) {
    if (signal == SIGCHLD) return;
    // The program may have ended since, and the signal is waiting's own business then.
    Reap();
    if (!Lingers()) {
      if (!ReachedByTerminal(info, child_)) kill(child_, signal);
    } else if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT) {
      // The program that they are meant for has gone: what is left of the waiting is cut short.
      over_ = true;
    }
  }

  const pid_t child_;
  const SignalsHeld& signals_;
  const Supervision& supervision_;
  uint64_t next_call_ns_;
  uint64_t deadline_ns_ = 0;  // 0: the program runs
  bool over_ = false;
  int status_ = 0;
};

[[noreturn]] void Exec(const std::vector<char*>& arguments, const SignalsHeld& signals,
                       int error_pipe) {
  signals.Release();
  execvp(arguments[0], arguments.data());
  const int error = errno;
  // Nobody to tell if that fails, too: the exit code says it.
  if (write(error_pipe, &error, sizeof error) < 0) _exit(126);
  _exit(error == ENOENT ? 127 : 126);
}

using Wait = std::function<int(pid_t child, const SignalsHeld& signals)>;

ChildResult Start(const std::vector<std::string>& command,
                  const std::vector<std::pair<std::string, std::string>>& variables,
                  ChildOutput output, const Wait& wait) {
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  int error_pipe[2];
  if (pipe2(error_pipe, O_CLOEXEC) != 0) return {errno, 0};
  const SignalsHeld signals;
  const pid_t child = fork();
  if (child < 0) {
    const int error = errno;
    close(error_pipe[0]);
    close(error_pipe[1]);
    return {error, 0};
  }
  if (child == 0) {
    // One thread: after fork we may do as we like.
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
    if (output.out >= 0) dup2(output.out, STDOUT_FILENO);
    if (output.err >= 0) dup2(output.err, STDERR_FILENO);
    Exec(arguments, signals, error_pipe[1]);
  }
  close(error_pipe[1]);
  ChildResult result;
  // The pipe closes when exec succeeds.
  ssize_t got = 0;
  do {
    got = read(error_pipe[0], &result.start_error, sizeof result.start_error);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof result.start_error) result.start_error = 0;
  close(error_pipe[0]);
  result.wait_status = wait(child, signals);
  return result;
}

}  // namespace

ChildResult RunChild(const std::vector<std::string>& command,
                     const std::vector<std::pair<std::string, std::string>>& variables,
                     ChildOutput output) {
  return Start(command, variables, output, WaitFor);
}

ChildResult RunChildTree(const std::vector<std::string>& command,
                         const std::vector<std::pair<std::string, std::string>>& variables,
                         const Supervision& supervision) {
  // Without it (Linux before 3.4) orphans are not waited for; their ledgers are there all the same.
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  return Start(command, variables, {}, [&](pid_t child, const SignalsHeld& signals) {
    const int status = TreeWait(child, signals, supervision).Wait();
    supervision.afterwards();
    siginfo_t info;
    while (signals.Wait(&info, 0) > 0) {
    }
    return status;
  });
}

int EndAs(int wait_status) {
  if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
  const int signal = WTERMSIG(wait_status);
  // The child has left its core already.
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  sigaction(signal, &standard, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  raise(signal);
  return 128 + signal;
}

}  // namespace pqleash::reporter
