// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_
#define PQLEASH_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_

#include <filesystem>
#include <string>

namespace pqleash::testing {

// A directory of mode 0700 that is gone, with all that is in it, when the object is. Throws
// std::system_error when it cannot be made.
class TemporaryDirectory {
 public:
  // In `parent`; by default $TMPDIR or /tmp.
  explicit TemporaryDirectory(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path());
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_
