// SPDX-License-Identifier: Apache-2.0
//
// A row of the table of compatibility: what was seen of one client, whatever was expected.

#ifndef PQLEASH_TESTS_CLIENTS_COMPATIBILITY_H_
#define PQLEASH_TESTS_CLIENTS_COMPATIBILITY_H_

#include <string>

namespace pqleash::testing {

struct Compatibility {
  std::string title;
  std::string package;
  std::string way;  // how its calls reach the library
  bool installed = false;
  bool counts = false;
  bool headline = false;
  bool has_headline = true;  // false: only the counts are compared
  std::string place;         // what the headline names
  bool behaviour = false;
};

// Appends a line of Markdown to the file that PQLEASH_CLIENTS_TABLE names, after its `number` and a
// tabulator, so that the lines of tests that ran in any order can be sorted. Without the variable
// nothing happens.
void AppendRow(int number, const Compatibility& row);

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_CLIENTS_COMPATIBILITY_H_
