// SPDX-License-Identifier: Apache-2.0

#include "tests/support/temporary_directory.h"

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace pqleash::testing {

TemporaryDirectory::TemporaryDirectory(const std::filesystem::path& parent) {
  std::string name = parent / "pqleash-test.XXXXXX";
  if (mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), name);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace pqleash::testing
