// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_REPORTER_SUBPROCESS_H_
#define PQLEASH_TESTS_REPORTER_SUBPROCESS_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace pqleash::reporter {

struct Outcome {
  int exit_code = -1;  // -1: ended by a signal
  int signal = 0;
  std::string out;
  std::string err;
};

// A running program whose stdout and stderr go to files. Its environment is ours with `variables`
// added; an empty PQLEASH_DIR unless they say otherwise.
class Subprocess {
 public:
  explicit Subprocess(const std::vector<std::string>& command,
                      const std::vector<std::pair<std::string, std::string>>& variables = {});
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }
  std::string OutputSoFar() const;
  // Waits until `text` is in stdout; false after 20 s.
  bool WaitForOutput(const std::string& text) const;
  Outcome Wait();

 private:
  std::string out_path_;
  std::string err_path_;
  pid_t pid_ = -1;
};

Outcome Execute(const std::vector<std::string>& command,
                const std::vector<std::pair<std::string, std::string>>& variables = {});

}  // namespace pqleash::reporter

#endif  // PQLEASH_TESTS_REPORTER_SUBPROCESS_H_
