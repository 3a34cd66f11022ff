// SPDX-License-Identifier: Apache-2.0
//
// What an audit says, as plain values. Strings are not escaped.

#ifndef PQLEASH_REPORTER_AUDIT_AUDIT_REPORT_H_
#define PQLEASH_REPORTER_AUDIT_AUDIT_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/findings/finding.h"
#include "reporter/findings/severity.h"
#include "reporter/report/report.h"
#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

// What becomes of a finding.
enum class Standing {
  kFails,
  kNoted,       // less certain than what was asked to fail
  kKnown,       // in the baseline
  kSuppressed,  // by a file of the user's
};

struct AuditFinding {
  Finding finding;
  Standing standing = Standing::kFails;
  std::vector<SourceFrame> frames;  // of its call site, innermost first
  std::optional<size_t> headline;   // index of the frame to name it by
  std::optional<std::string> fingerprint;
  uint64_t known_connections = 0;     // of kKnown: how many the baseline has
  std::optional<size_t> suppression;  // of kSuppressed: index into AuditReport::suppressions
};

// A finding of an earlier audit.
struct BaselineEntry {
  std::string kind;
  std::string summary;
  std::string call_site;  // as NameOf; empty: none
  std::optional<std::string> fingerprint;
  uint64_t connections = 0;
  bool seen = false;  // again
};

struct Baseline {
  std::string path;
  std::vector<BaselineEntry> entries;
};

struct SuppressionUse {
  std::string text;    // 'leak:OpenAuditLog'
  std::string source;  // 'FILE:LINE'
  uint64_t findings = 0;
  uint64_t connections = 0;
};

// How the audited program ended.
struct ProgramEnd {
  std::string name;    // as it was called, without its arguments, which may hold a password
  int exit_code = -1;  // -1: by a signal
  int signal = 0;
};

struct AuditReport {
  // Its processes and call sites; its findings are those below.
  Report report;
  std::vector<AuditFinding> findings;
  std::vector<std::string> notes;  // a sentence each: what was not judged, and why
  std::vector<SuppressionUse> suppressions;
  std::optional<Baseline> baseline;
  ProgramEnd program;
  FindingLevel fail_on;
  std::vector<std::string> kinds;  // that were looked for
  std::string source_root;         // where the audit was started; absolute
};

inline uint64_t CountWith(const AuditReport& audit, Standing standing) {
  uint64_t count = 0;
  for (const AuditFinding& finding : audit.findings) count += finding.standing == standing;
  return count;
}

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_AUDIT_AUDIT_REPORT_H_
