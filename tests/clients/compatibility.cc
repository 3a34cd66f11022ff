// SPDX-License-Identifier: Apache-2.0

#include "tests/clients/compatibility.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/subprocess.h"

namespace pqleash::testing {
namespace {

const char* YesOrNo(bool value) { return value ? "yes" : "**no**"; }

// Empty where there is no such package, or no dpkg.
std::string VersionOf(const std::string& package) {
  const Outcome outcome =
      RunToEnd({.arguments = {"sh", "-c", "dpkg-query -W -f '${Version}' \"$0\"", package}});
  return outcome.exit_code == 0 ? outcome.out : "";
}

std::string Headline(const Compatibility& row) {
  if (!row.has_headline) return "-";
  const std::string place = row.place.empty() ? "" : " `" + row.place + "`";
  return YesOrNo(row.headline) + place;
}

}  // namespace

void AppendRow(int number, const Compatibility& row) {
  const char* path = getenv("PQLEASH_CLIENTS_TABLE");
  if (path == nullptr) return;
  std::ostringstream line;
  line << number << "\t| " << row.title << " | " << row.package << ' ' << VersionOf(row.package)
       << " | ";
  if (row.installed) {
    line << row.way << " | " << YesOrNo(row.counts) << " | " << Headline(row) << " | "
         << YesOrNo(row.behaviour) << " |\n";
  } else {
    line << "not installed | | | |\n";
  }
  // One write, so that lines of tests that run side by side stay whole.
  std::ofstream file(path, std::ios::app);
  file << line.str() << std::flush;
}

}  // namespace pqleash::testing
