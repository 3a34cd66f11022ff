// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_CLIENTS_PROGRAM_SOURCE_H_
#define PQLEASH_TESTS_CLIENTS_PROGRAM_SOURCE_H_

#include <string>

namespace pqleash::testing {

// The number of the one line of a file that ends with the word LEAK; -1 where there is none, or
// more than one.
int LeakLine(const std::string& path);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_CLIENTS_PROGRAM_SOURCE_H_
