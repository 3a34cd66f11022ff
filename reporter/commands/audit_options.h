// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_AUDIT_OPTIONS_H_
#define PQLEASH_REPORTER_COMMANDS_AUDIT_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/commands/launch.h"
#include "reporter/findings/severity.h"

namespace pqleash::reporter {

enum class AuditFormat { kText, kJson, kJunit, kSarif };

struct AuditOptions {
  Launch launch;
  std::optional<FindingLevel> fail_on;
  std::vector<std::string> kinds;
  bool judge_killed = false;
  std::string baseline;        // empty: none
  std::string write_baseline;  // empty: no
  std::vector<std::string> suppressions;
  AuditFormat format = AuditFormat::kText;
  std::string output;  // a file, '-' for stdout; empty: stderr
  std::optional<uint64_t> linger_ns;
  std::string keep_ledgers;  // absolute; empty: in a directory that is removed
  std::vector<std::string> library_paths;
  bool native_frames = false;
  bool allow_unseen = false;  // an audit of no process at all is no failure
};

// A value is the exit code to leave with.
std::optional<int> ParseAudit(const std::vector<std::string>& arguments, AuditOptions* options);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_AUDIT_OPTIONS_H_
