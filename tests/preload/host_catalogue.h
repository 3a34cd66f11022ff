// SPDX-License-Identifier: Apache-2.0
//
// The rows of HOSTS.md.

#ifndef PQLEASH_TESTS_PRELOAD_HOST_CATALOGUE_H_
#define PQLEASH_TESTS_PRELOAD_HOST_CATALOGUE_H_

#include <string>
#include <vector>

namespace pqleash::testing {

// Rows that have a program, at least.
inline constexpr int kLeastRows = 400;

struct CatalogueRow {
  int number = 0;
  std::string hazard;
  std::string seen;
  std::string program;  // "program mode", with a '*' at the end for all that begin so
  std::string bare;     // "exit 0", "signal 11", "signal 11 or exit 0"
  std::string preloaded;
  std::string disabled;

  // False: the row says why nothing can try it here.
  bool tried() const { return !program.empty(); }
  bool known_fault() const;
  bool Names(const std::string& name) const;
};

class HostCatalogue {
 public:
  // The Markdown file. Throws std::runtime_error when it has no rows.
  explicit HostCatalogue(const std::string& path);

  const std::vector<CatalogueRow>& rows() const { return rows_; }
  // How the program may end where nothing is preloaded, in the words of HowItEnded; none where no
  // row says so, or two rows say different things.
  std::vector<std::string> BareEnds(const std::string& name) const;
  // A difference that stands in the table and is not mended.
  bool KnownFault(const std::string& name) const;

 private:
  std::vector<CatalogueRow> rows_;
};

}  // namespace pqleash::testing

#endif  // PQLEASH_TESTS_PRELOAD_HOST_CATALOGUE_H_
