// SPDX-License-Identifier: Apache-2.0
//
// Running programs from tests.

#ifndef PQLEASH_TESTS_SUPPORT_SUBPROCESS_H_
#define PQLEASH_TESTS_SUPPORT_SUBPROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pqleash::testing {

struct Command {
  std::vector<std::string> arguments;  // [0] is looked up in PATH
  // Changes to this process's environment; no value: the variable is removed.
  std::map<std::string, std::optional<std::string>> environment = {};
  std::string directory = {};  // empty: this process's
  std::string input = {};      // of at most 64 KiB
  bool hold_input = false;     // stdin does not end after it, but with Subprocess::CloseInput
  // Where stderr goes instead of Outcome::err: "" captures, "&1" follows stdout, "-" is closed, "|"
  // is a pipe without a reader, "|full" is a full pipe whose reader does not read.
  std::string err_to = {};
  std::chrono::milliseconds limit = std::chrono::seconds(60);
};

// How a program ended and what it said.
struct Outcome {
  pid_t pid = -1;
  int exit_code = -1;  // -1: ended by a signal, or not yet
  int signal = 0;      // 0: none
  bool timed_out = false;
  std::string out;
  std::string err;
};

// For messages: 'exit code 3', 'signal 6', 'still running after …'.
std::string HowItEnded(const Outcome& outcome);

// A running program. It and what it started in its process group are killed by the destructor.
class Subprocess {
 public:
  // Throws std::system_error when it cannot be started.
  explicit Subprocess(const Command& command);
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int number) const;

  // Reads until stdout holds `text`; false when it has ended, or the limit is over, without.
  bool WaitForOutput(const std::string& text);
  // What stdout has said as far as it was read.
  const std::string& output() const { return outcome_.out; }
  // Reads what comes within 20 ms. False: nothing will come any more, or the limit is over.
  bool ReadMore();
  // To stdin, of a command with `hold_input`. False: nobody reads it any more.
  bool Write(const std::string& text) const;
  void CloseInput();
  // Whether it has ended, without waiting for that.
  bool HasEnded() const;
  // Collects the rest of the output and the exit status. After the command's limit the program is
  // killed.
  const Outcome& Wait();

 private:
  // Reads what is there, waiting for at most `limit`. False: both pipes are at their end.
  bool ReadSome(std::chrono::milliseconds limit);
  void Kill();

  pid_t pid_ = -1;
  int in_ = -1;  // -1: closed
  int out_ = -1;
  int err_ = -1;
  int unread_ = -1;  // of "|full"
  std::chrono::steady_clock::time_point deadline_;
  bool ended_ = false;
  Outcome outcome_;
};

// Runs a program to its end. Throws std::system_error where there is no such program.
Outcome RunToEnd(const Command& command);

// Whether a program, with its arguments, ends with exit code 0. One that is not there does not.
bool Succeeds(const std::vector<std::string>& arguments);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_SUPPORT_SUBPROCESS_H_
