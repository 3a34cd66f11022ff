// SPDX-License-Identifier: Apache-2.0

#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

extern char** environ;

namespace pqleash::testing {

namespace {

struct Pipe {
  int read_end = -1;
  int write_end = -1;

  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
      throw std::system_error(errno, std::generic_category(), "pipe2");
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void CloseRead() { Close(&read_end); }
  void CloseWrite() { Close(&write_end); }
  int ReleaseRead() { return std::exchange(read_end, -1); }
  int ReleaseWrite() { return std::exchange(write_end, -1); }

 private:
  static void Close(int* fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
};

std::vector<std::string> ChangedEnvironment(const Command& command) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string name(*entry, strcspn(*entry, "="));
    if (!command.environment.contains(name)) result.emplace_back(*entry);
  }
  for (const auto& [name, value] : command.environment) {
    if (value) result.push_back(name + "=" + *value);
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Until the pipe takes no more.
void Fill(int pipe) {
  const int flags = fcntl(pipe, F_GETFL);
  fcntl(pipe, F_SETFL, flags | O_NONBLOCK);
  const std::string page(4096, 'x');
  while (write(pipe, page.data(), page.size()) > 0) {
  }
  fcntl(pipe, F_SETFL, flags);
}

// In the child, between fork and exec: async-signal-safe calls only. Returns errno of what failed.
struct ChildSetup {
  int in;
  int out;
  int err;  // -1: to be closed
  const char* directory;
  char** arguments;
  char** environment;

  int Exec() const {
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0) return errno;
    if (err >= 0) {
      if (dup2(err, STDERR_FILENO) < 0) return errno;
    } else {
      close(STDERR_FILENO);
    }
    // Nothing but the standard descriptors, so that a program's numbers are the same each time. The
    // pipe that reports a failed exec is closed by exec.
    if (directory != nullptr && chdir(directory) != 0) return errno;
    execvpe(arguments[0], arguments, environment);
    return errno;
  }
};

std::chrono::milliseconds Remaining(std::chrono::steady_clock::time_point deadline) {
  const auto now = std::chrono::steady_clock::now();
  if (now >= deadline) return std::chrono::milliseconds(0);
  return std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now);
}

// Appends what can be read from `*fd`; closes it at its end.
void Drain(int* fd, std::string* text) {
  char buffer[4096];
  const ssize_t size = read(*fd, buffer, sizeof(buffer));
  if (size > 0) {
    text->append(buffer, static_cast<size_t>(size));
  } else if (size == 0 || errno != EINTR) {
    close(*fd);
    *fd = -1;
  }
}

}  // namespace

std::string HowItEnded(const Outcome& outcome) {
  if (outcome.timed_out) return "still running at the end of its time";
  if (outcome.signal != 0) return "signal " + std::to_string(outcome.signal);
  return "exit code " + std::to_string(outcome.exit_code);
}

Subprocess::Subprocess(const Command& command)
    : deadline_(std::chrono::steady_clock::now() + command.limit) {
  Pipe in, out, err, failure;
  std::vector<std::string> arguments = command.arguments;
  std::vector<std::string> environment = ChangedEnvironment(command);
  std::vector<char*> argument_pointers = Pointers(arguments);
  std::vector<char*> environment_pointers = Pointers(environment);
  if (command.err_to == "|") err.CloseRead();
  if (command.err_to == "|full") Fill(err.write_end);
  const ChildSetup setup = {in.read_end,
                            out.write_end,
                            command.err_to == "-"    ? -1
                            : command.err_to == "&1" ? out.write_end
                                                     : err.write_end,
                            command.directory.empty() ? nullptr : command.directory.c_str(),
                            argument_pointers.data(),
                            environment_pointers.data()};
  pid_ = fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    const int error = setup.Exec();
    [[maybe_unused]] const ssize_t written = write(failure.write_end, &error, sizeof(error));
    _exit(127);
  }
  outcome_.pid = pid_;
  setpgid(pid_, pid_);
  in.CloseRead();
  out.CloseWrite();
  err.CloseWrite();
  failure.CloseWrite();
  int error = 0;
  if (read(failure.read_end, &error, sizeof(error)) == sizeof(error)) {
    waitpid(pid_, nullptr, 0);
    throw std::system_error(error, std::generic_category(), command.arguments[0]);
  }
  // Fits into the pipe's buffer. The program may have ended without reading it.
  const auto before = signal(SIGPIPE, SIG_IGN);
  [[maybe_unused]] const ssize_t written =
      write(in.write_end, command.input.data(), command.input.size());
  signal(SIGPIPE, before);
  if (command.hold_input) in_ = in.ReleaseWrite();
  out_ = out.ReleaseRead();
  (command.err_to == "|full" ? unread_ : err_) = err.ReleaseRead();
}

Subprocess::~Subprocess() {
  if (!ended_) {
    Kill();
    waitpid(pid_, nullptr, 0);
  }
  CloseInput();
  if (out_ >= 0) close(out_);
  if (err_ >= 0) close(err_);
  if (unread_ >= 0) close(unread_);
}

bool Subprocess::ReadMore() {
  const auto remaining = Remaining(deadline_);
  return remaining.count() > 0 && ReadSome(std::min(remaining, std::chrono::milliseconds(20)));
}

void Subprocess::CloseInput() {
  if (in_ >= 0) close(in_);
  in_ = -1;
}

void Subprocess::Signal(int number) const {
  if (!ended_) kill(pid_, number);
}

bool Subprocess::Write(const std::string& text) const {
  if (in_ < 0) return false;
  const auto before = signal(SIGPIPE, SIG_IGN);
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = write(in_, text.data() + done, text.size() - done);
    if (written < 0 && errno != EINTR) break;
    if (written > 0) done += static_cast<size_t>(written);
  }
  signal(SIGPIPE, before);
  return done == text.size();
}

void Subprocess::Kill() {
  if (ended_) return;
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
}

bool Subprocess::ReadSome(std::chrono::milliseconds limit) {
  if (out_ < 0 && err_ < 0) return false;
  pollfd descriptors[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  if (poll(descriptors, 2, static_cast<int>(limit.count())) <= 0) return true;
  if (descriptors[0].revents != 0) Drain(&out_, &outcome_.out);
  if (descriptors[1].revents != 0) Drain(&err_, &outcome_.err);
  return true;
}

bool Subprocess::WaitForOutput(const std::string& text) {
  while (outcome_.out.find(text) == std::string::npos) {
    const auto remaining = Remaining(deadline_);
    if (remaining.count() == 0 || !ReadSome(remaining)) return false;
  }
  return true;
}

bool Subprocess::HasEnded() const {
  if (ended_) return true;
  siginfo_t info = {};  // si_pid stays 0 where it runs
  return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid_;
}

const Outcome& Subprocess::Wait() {
  if (ended_) return outcome_;
  int status = 0;
  const auto collect = [&] {
    ReadSome(std::chrono::milliseconds(0));
    return waitpid(pid_, &status, WNOHANG) == pid_;
  };
  // A grandchild may hold the pipes open for longer than the program lives: its end is what counts.
  bool gone = false;
  while (!gone && Remaining(deadline_).count() > 0) {
    if (!ReadSome(std::min(Remaining(deadline_), std::chrono::milliseconds(20)))) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    gone = collect();
  }
  if (!gone) {
    outcome_.timed_out = true;
    Kill();
    waitpid(pid_, &status, 0);
  }
  ended_ = true;
  // What is left in the pipes.
  for (int* fd : {&out_, &err_}) {
    std::string* text = fd == &out_ ? &outcome_.out : &outcome_.err;
    while (*fd >= 0) {
      pollfd descriptor = {*fd, POLLIN, 0};
      if (poll(&descriptor, 1, 0) <= 0) break;
      Drain(fd, text);
    }
  }
  if (WIFEXITED(status)) outcome_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status);
  return outcome_;
}

Outcome RunToEnd(const Command& command) {
  Subprocess process(command);
  return process.Wait();
}

bool Succeeds(const std::vector<std::string>& arguments) {
  try {
    return RunToEnd({.arguments = arguments}).exit_code == 0;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace pqleash::testing
