// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/hook.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "reporter/words/diagnose.h"

extern char** environ;

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kGlance{50};

// The environment of the child: ours, without what the call sets, and that.
class ChildEnvironment {
 public:
  explicit ChildEnvironment(const std::vector<std::pair<std::string, std::string>>& variables) {
    for (const auto& [name, value] : variables) texts_.push_back(name + '=' + value);
    for (char** variable = environ; *variable != nullptr; ++variable) {
      const std::string_view text = *variable;
      bool replaced = false;
      for (const auto& [name, value] : variables) replaced |= text.starts_with(name + '=');
      if (!replaced) pointers_.push_back(*variable);
    }
    for (std::string& text : texts_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  char* const* get() const { return pointers_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

// Starts /bin/sh in a process group of its own, with `input` as its stdin. Returns its pid, or
// -errno.
pid_t StartShell(const std::string& command, const HookCall& call, int input) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGTERM, SIGINT}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::string shell = "sh";
  std::string option = "-c";
  std::string text = command;
  char* const arguments[] = {shell.data(), option.data(), text.data(), nullptr};
  const ChildEnvironment environment(call.variables);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, environment.get());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -error;
}

// A file with `text` that is nowhere else, to be read from its beginning: unlike a pipe it needs
// nobody who feeds it. -1: errno says why not.
int FileWith(const std::string& text) {
  const int fd = memfd_create("pqleash-finding", MFD_CLOEXEC);
  if (fd < 0) return -1;
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t put = write(fd, text.data() + written, text.size() - written);
    if (put < 0) {
      close(fd);
      return -1;
    }
    written += static_cast<size_t>(put);
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  return fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

}  // namespace

Hook::Hook(std::string command, Bounds bounds)
    : command_(std::move(command)), bounds_(bounds), thread_([this] { Work(); }) {}

Hook::~Hook() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Hook::Call(HookCall call) {
  {
    const std::lock_guard lock(mutex_);
    if (calls_.size() < bounds_.waiting) {
      calls_.push_back(std::move(call));
      changed_.notify_all();
      return;
    }
  }
  Diagnose(fmt::format("serve: --on-finding was not run for one finding: {} wait already",
                       bounds_.waiting));
}

bool Hook::IsStopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool Hook::AwaitTurn() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !calls_.empty(); });
  // A bucket: so many runs at once, then one a pause.
  while (!stopping_ && !runs_.empty() &&
         Clock::now() - runs_.front() >= bounds_.pause * bounds_.burst) {
    runs_.pop_front();
  }
  if (!stopping_ && runs_.size() >= bounds_.burst) {
    const auto due = runs_.front() + bounds_.pause * bounds_.burst;
    changed_.wait_until(lock, due, [this] { return stopping_; });
    runs_.pop_front();
  }
  return !stopping_;
}

void Hook::Work() {
  while (AwaitTurn()) {
    HookCall call;
    {
      const std::lock_guard lock(mutex_);
      call = std::move(calls_.front());
      calls_.pop_front();
    }
    runs_.push_back(Clock::now());
    Run(call);
  }
}

void Hook::Run(const HookCall& call) {
  const int input = FileWith(call.input);
  const pid_t pid = input < 0 ? -errno : StartShell(command_, call, input);
  if (input >= 0) close(input);
  if (pid < 0) {
    Diagnose(fmt::format("serve: --on-finding could not be run: {}", std::strerror(-pid)));
    return;
  }
  const auto begun = Clock::now();
  bool killed = false;
  int status = 0;
  for (;;) {
    const pid_t waited = waitpid(pid, &status, killed ? 0 : WNOHANG);
    if (waited == pid) break;
    if (waited < 0 && errno != EINTR) return;
    const bool late = Clock::now() - begun >= bounds_.time;
    if (!killed && (late || IsStopping())) {
      // With all that it has started. Nobody else reaps it, so that the group is still its own.
      kill(-pid, SIGKILL);
      killed = true;
      if (late) {
        Diagnose(fmt::format("serve: --on-finding was killed: it took longer than {} ms",
                             bounds_.time.count()));
      }
      continue;
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kGlance, [this] { return stopping_; });
  }
  if (!killed && status != 0) Diagnose("serve: --on-finding " + HowItEnded(status));
}

}  // namespace pqleash::reporter
