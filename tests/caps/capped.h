// SPDX-License-Identifier: Apache-2.0
//
// The little language of the tests of caps: programs that connect on command
// (programs/capped.cc), under a configuration, in a directory of their own.

#ifndef PQLEASH_TESTS_CAPS_CAPPED_H_
#define PQLEASH_TESTS_CAPS_CAPPED_H_

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "tests/caps/board_view.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {

using std::chrono::milliseconds;

// What came of a connect.
struct Connected {
  bool ok = false;
  double seconds = 0;
  pid_t backend = 0;  // where ok
  std::string text;   // libpq's error message where not
};
std::ostream& operator<<(std::ostream& stream, const Connected& connected);

// Whether a refusal says that it has waited for no less than `from` seconds and no more than `to`,
// as far as its one decimal goes.
bool SaysThatItWaited(const std::string& text, double from, double to);

// A running program, or a child that one has forked.
class Capped {
 public:
  Capped(const Command& command, std::string directory);
  Capped(Capped&&) = default;

  // --- commands that end by themselves ---
  Connected Open(const std::string& name, const std::string& conninfo = "");
  Connected Start(const std::string& name, const std::string& conninfo = "");
  Connected Reset(const std::string& name);
  Connected ResetStart(const std::string& name);
  void Close(const std::string& name);
  std::string Query(const std::string& name, const std::string& sql);
  std::string Status(const std::string& name);
  std::string Ping(const std::string& conninfo = "");
  std::string Cancel(const std::string& name);
  void Abandon(const std::string& name);
  void Interrupt(const std::string& name);
  void Exec();
  // Lets those go that were begun with the verb `together`.
  void Meet();
  // A forked child; what it says is read with what this program says.
  Capped Fork();

  // --- commands that are looked at later ---
  // `verb`: open, start, together, reset or resetstart. Returns the number of the command.
  int Begin(const std::string& verb, const std::string& name, const std::string& conninfo = "");
  Connected ResultOf(int command);
  bool HasAnswered(int command);
  // Seconds that PQconnectStart took.
  double StartedAfter(int command);
  bool Says(const std::string& text);

  // --- ends ---
  void Exit();   // exit(0)
  void Leave();  // _exit(0)
  void Kill();   // SIGKILL, and waits until it is gone

  pid_t pid() const { return pid_; }

 private:
  struct Shared {
    Subprocess process;
    int commands = 0;
    std::string directory;
  };
  Capped(std::shared_ptr<Shared> shared, std::string prefix, pid_t pid)
      : shared_(std::move(shared)), prefix_(std::move(prefix)), pid_(pid) {}

  int Send(const std::string& words);
  // The rest of the line that begins with the command's number and this word.
  std::string Line(int command, const std::string& word);
  std::string Ask(const std::string& words);
  void Tell(const std::string& words);
  void Finish(const std::string& verb);
  void WaitForEnd() const;

  std::shared_ptr<Shared> shared_;
  std::string prefix_;  // "", or '@N ' for a child
  pid_t pid_;
};

// A directory, a configuration, and programs under them.
class Caps {
 public:
  Caps();

  // The file that PQLEASH_CONFIG names; written as a whole and renamed into place.
  void Configure(const std::string& toml);
  // For programs that are run from now on.
  void Set(const std::string& variable, const std::string& value);

  Capped Run(const std::string& service = "shop") const;
  Command Preloaded(std::vector<std::string> words) const;
  Outcome Tool(std::vector<std::string> words) const;

  PolicyState State(const std::string& policy) const { return StateOf(ledgers(), policy); }
  // Within 20 s.
  bool Reaches(const std::string& policy, uint32_t use, uint32_t waiting) const;
  std::string Log() const;
  // Lines of the log that hold the text.
  int Logged(const std::string& text) const;
  bool WillLog(const std::string& text, int times = 1) const;

  std::string ledgers() const { return directory_ / "ledgers"; }
  std::string file(const std::string& name) const { return directory_ / name; }

 private:
  const TemporaryDirectory directory_;
  std::map<std::string, std::optional<std::string>> environment_;
};

// [[cap]] of the name 'db', with more lines.
std::string Cap(const std::string& scope, int limit, const std::string& on_limit,
                const std::string& more = "");

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_CAPS_CAPPED_H_
