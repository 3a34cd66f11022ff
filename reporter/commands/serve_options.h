// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_SERVE_OPTIONS_H_
#define PQLEASH_REPORTER_COMMANDS_SERVE_OPTIONS_H_

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "reporter/commands/command.h"
#include "reporter/findings/severity.h"
#include "reporter/serve/credentials.h"
#include "reporter/serve/listen_address.h"
#include "reporter/serve/wire.h"

namespace pqleash::reporter {

struct ServeOptions {
  ListenAddress address;
  TlsContext tls;           // nullptr: in the clear
  Credentials credentials;  // empty: none are asked for
  std::string directory;
  std::chrono::nanoseconds interval = std::chrono::seconds(5);
  std::optional<std::chrono::nanoseconds> scan_interval = std::chrono::minutes(5);  // none: never
  size_t top = 10;
  std::string on_finding;  // empty: none
  FindingLevel on_finding_level = {};
};

// From the command line and the file that --config names; reads the files that these name. A value
// is the exit code to leave with: help was asked for, or something is wrong and was said.
std::optional<int> ReadServeOptions(const Arguments& arguments, ServeOptions* options);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_SERVE_OPTIONS_H_
