// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_DOCTOR_INSTALLATION_H_
#define PQLEASH_REPORTER_DOCTOR_INSTALLATION_H_

#include <optional>
#include <string>
#include <vector>

#include "reporter/doctor/check.h"

namespace pqleash::reporter {

// The tool, its library, and a harmless program run under the library.
struct Installation {
  std::string tool_version;
  std::string library;                 // path; empty: none was found
  std::string problem;                 // why the library cannot be preloaded; empty: it can
  std::optional<std::string> version;  // as the library says; no value: it says none
  bool tried = false;
  int start_error = 0;  // errno
  int wait_status = 0;
  std::string output;  // of the program and of the dynamic linker
};

// `library`: the one to look at; empty: the one beside this tool. Loads it in a child process, and
// runs /bin/true under it.
Installation LookAtInstallation(const std::string& library);

// Pure.
std::vector<Check> Judge(const Installation& installation);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_DOCTOR_INSTALLATION_H_
