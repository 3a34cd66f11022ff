// SPDX-License-Identifier: Apache-2.0

#include "tests/clients/program_source.h"

#include <fstream>

namespace pqleash::testing {

int LeakLine(const std::string& path) {
  std::ifstream file(path);
  int found = -1;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (!line.ends_with(" LEAK")) continue;
    if (found >= 0) return -1;
    found = number;
  }
  return found;
}

}  // namespace pqleash::testing
