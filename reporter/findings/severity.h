// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_FINDINGS_SEVERITY_H_
#define PQLEASH_REPORTER_FINDINGS_SEVERITY_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter {

struct Finding;

enum class Confidence {
  kLikely,  // what is seen is what such a fault looks like
  kProven,  // what is seen is the fault
};

// How much it matters at this moment. FindAll's order keeps the severe ones first.
enum class Severity {
  kInfo,      // costs something, and nobody suffers
  kWarning,   // takes what others, or the program itself, may need
  kCritical,  // somebody has to do without a connection now
};

// A level of findings, as users ask for it: at least so sure, or at least so severe.
struct FindingLevel {
  Confidence confidence = Confidence::kLikely;
  Severity severity = Severity::kInfo;

  bool MetBy(Confidence sure, Severity severe) const {
    return sure >= confidence && severe >= severity;
  }
};

// 'proven', 'likely', 'critical', 'warning' or 'info'; nullopt: none of these.
std::optional<FindingLevel> LevelNamed(std::string_view name);
// The other way round.
std::string_view NameOf(const FindingLevel& level);

std::string_view NameOf(Confidence confidence);
std::string_view NameOf(Severity severity);
// nullopt: none of the names.
std::optional<Severity> SeverityNamed(std::string_view name);

// Sets the severities of `findings`, all that there are at this moment, by their kinds. Where
// anybody has to do without a connection, whatever takes connections is critical: it is the cause.
// What costs without hurting yet is a warning where it takes slots of the server, and else info.
void SetSeverities(bool server_is_full, std::vector<Finding>* findings);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_SEVERITY_H_
