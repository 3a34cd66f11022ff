// SPDX-License-Identifier: Apache-2.0

#include "tests/reporter/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "tests/reporter/ledger_builder.h"

namespace pqleash::reporter {
namespace {

std::string NewFile() {
  std::string name = (std::filesystem::temp_directory_path() / "pqleash-out-XXXXXX").string();
  const int fd = mkstemp(name.data());
  if (fd < 0) throw std::runtime_error("cannot make " + name);
  close(fd);
  return name;
}

}  // namespace

Subprocess::Subprocess(const std::vector<std::string>& command,
                       const std::vector<std::pair<std::string, std::string>>& variables)
    : out_path_(NewFile()), err_path_(NewFile()) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ > 0) return;
  unsetenv("PQLEASH_DIR");
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(open(out_path_.c_str(), O_WRONLY), 1);
  dup2(open(err_path_.c_str(), O_WRONLY), 2);
  execvp(arguments[0], arguments.data());
  _exit(99);
}

Subprocess::~Subprocess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  unlink(out_path_.c_str());
  unlink(err_path_.c_str());
}

std::string Subprocess::OutputSoFar() const { return ReadWholeFile(out_path_); }

bool Subprocess::WaitForOutput(const std::string& text) const {
  for (int i = 0; i < 2'000; ++i) {
    if (OutputSoFar().find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

Outcome Subprocess::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  Outcome outcome;
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  outcome.out = ReadWholeFile(out_path_);
  outcome.err = ReadWholeFile(err_path_);
  return outcome;
}

Outcome Execute(const std::vector<std::string>& command,
                const std::vector<std::pair<std::string, std::string>>& variables) {
  return Subprocess(command, variables).Wait();
}

}  // namespace pqleash::reporter
