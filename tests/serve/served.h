// SPDX-License-Identifier: Apache-2.0
//
// The little language of the tests of `pqleash serve`: processes with ledgers, a server that reads
// them, and what it answers.

#ifndef PQLEASH_TESTS_SERVE_SERVED_H_
#define PQLEASH_TESTS_SERVE_SERVED_H_

#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/reporter/ledger_builder.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {

using Words = std::vector<std::string>;

// A process that does nothing, until it is ended.
class Sleeper {
 public:
  Sleeper();
  ~Sleeper() { End(); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  pid_t pid() const { return pid_; }
  void End();

 private:
  pid_t pid_ = -1;
};

// A ledger of process `pid`, that lives here and now, with nothing in it.
reporter::LedgerBuilder LedgerOf(pid_t pid, const std::string& service);

// Of a process that was on this host before, and is no more.
reporter::LedgerBuilder LedgerOfDead(uint64_t number, const std::string& service);

// Writes it into `directory` under its right name, so that it is there at once. Returns the path.
std::string Write(const reporter::LedgerBuilder& builder, const std::string& directory);

// The samples of a text of metrics, by name and labels as they stand there. Fails the test where a
// line is no sample, or one is there twice.
using Samples = std::map<std::string, double>;
Samples SamplesIn(const std::string& text);

// `pqleash serve`, on a port of its own, over ledgers in a directory of its own.
class Served {
 public:
  explicit Served(const Words& options = {}, const std::string& listen = "127.0.0.1:0");

  const std::string& ledgers() const { return ledgers_; }
  // Begins to serve, and returns when it listens. False, with a failed expectation, where it ends.
  bool Start();

  int port() const { return port_; }
  const std::string& url() const { return url_; }
  pid_t pid() const { return process_->pid(); }

  // GET; status -1: there was no answer.
  httplib::Response Get(const std::string& path, const httplib::Headers& headers = {}) const;
  // /metrics; empty, with a failed expectation, where that fails.
  Samples Metrics() const;
  // Whether a sample has a value, now or within 20 s; says what it was where it has not.
  ::testing::AssertionResult Becomes(const std::string& sample, double value) const;

  // Sends bytes, and returns what comes until the end, or for 20 s.
  std::string Exchange(const std::string& bytes) const;
  // A connection that is just there. The caller closes it.
  int Connect() const;

  void Signal(int number) const { process_->Signal(number); }
  const Outcome& Wait() { return process_->Wait(); }

 private:
  TemporaryDirectory directory_;
  std::string ledgers_;
  Words options_;
  std::string listen_;
  std::optional<Subprocess> process_;
  std::string url_;
  int port_ = 0;
};

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_SERVE_SERVED_H_
