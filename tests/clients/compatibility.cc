// SPDX-License-Identifier: Apache-2.0

#include "tests/clients/compatibility.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/subprocess.h"

namespace pqleash::testing {
namespace {

// Empty where there is no such package, or no dpkg.
std::string VersionOf(const std::string& package) {
  // Without Debian's epoch and revision.
  const char* script =
      "dpkg-query -W -f '${Version}' \"$0\" | sed 's/^[0-9]*://; s/-[^-]*$//; s/[+~].*//'";
  const Outcome outcome = RunToEnd({.arguments = {"sh", "-c", script, package}});
  return outcome.out;
}

// What was expected and not seen; empty where all was.
std::string Shortcomings(const Compatibility& row) {
  std::string list;
  const auto add = [&list](bool right, const char* what) {
    if (!right) list += (list.empty() ? "" : ", ") + std::string(what);
  };
  add(row.counts, "counts");
  add(row.headline || !row.has_headline, "line");
  add(row.behaviour, "behaviour");
  return list;
}

// The version, and what was wrong.
std::string CellOf(const Compatibility& row) {
  if (!row.installed) return "not installed";
  const std::string shortcomings = Shortcomings(row);
  return VersionOf(row.package) + (shortcomings.empty() ? "" : ": **not " + shortcomings + "**");
}

}  // namespace

void AppendRow(int number, const Compatibility& row) {
  const char* path = getenv("PQLEASH_CLIENTS_TABLE");
  if (path == nullptr) return;
  std::ostringstream line;
  line << number << "\t| " << row.title << " | " << row.way << " | "
       << (row.place.empty() ? "-" : "`" + row.place + "`") << " | " << CellOf(row) << " |\n";
  // One write, so that lines of tests that run side by side stay whole.
  std::ofstream file(path, std::ios::app);
  file << line.str() << std::flush;
}

}  // namespace pqleash::testing
