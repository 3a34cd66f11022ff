// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_REPORTER_SCRATCH_DIRECTORY_H_
#define PQLEASH_TESTS_REPORTER_SCRATCH_DIRECTORY_H_

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

namespace pqleash::reporter {

// A new directory, mode 0700, that is removed again with all that is in it.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "pqleash-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    path_ = name;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_TESTS_REPORTER_SCRATCH_DIRECTORY_H_
