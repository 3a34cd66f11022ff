// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/severity.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "reporter/findings/finding.h"

namespace pqleash::reporter {
namespace {

bool IsOneOf(std::string_view kind, std::initializer_list<std::string_view> kinds) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

// Somebody waits for a connection, or is refused one.
bool Hurts(std::string_view kind) {
  return IsOneOf(kind, {"server-full", "role-limit", "connect-failures", "saturated",
                        "demand-spike", "lock-wait", "fork-shared"});
}

// Takes connections that somebody may need.
bool Takes(std::string_view kind) {
  return IsOneOf(kind, {"lost-handle", "lost-owner", "leak-suspect", "idle-in-transaction",
                        "over-provisioned", "connection-churn"});
}

constexpr std::string_view kNames[] = {"info", "warning", "critical"};

}  // namespace

std::string_view NameOf(Confidence confidence) {
  return confidence == Confidence::kProven ? "proven" : "likely";
}

std::string_view NameOf(Severity severity) { return kNames[static_cast<size_t>(severity)]; }

std::optional<Severity> SeverityNamed(std::string_view name) {
  const auto* found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<Severity>(found - std::begin(kNames));
}

std::optional<FindingLevel> LevelNamed(std::string_view name) {
  if (name == "proven") return FindingLevel{Confidence::kProven, Severity::kInfo};
  if (name == "likely") return FindingLevel{};
  if (const auto severity = SeverityNamed(name))
    return FindingLevel{Confidence::kLikely, *severity};
  return std::nullopt;
}

std::string_view NameOf(const FindingLevel& level) {
  if (level.severity != Severity::kInfo) return NameOf(level.severity);
  return level.confidence == Confidence::kProven ? "proven" : "likely";
}

void SetSeverities(bool server_is_full, std::vector<Finding>* findings) {
  const bool hurts =
      server_is_full || std::any_of(findings->begin(), findings->end(),
                                    [](const Finding& finding) { return Hurts(finding.kind); });
  for (Finding& finding : *findings) {
    if (Hurts(finding.kind)) {
      finding.severity = Severity::kCritical;
    } else if (Takes(finding.kind)) {
      finding.severity = hurts ? Severity::kCritical : Severity::kWarning;
    } else {
      finding.severity = finding.kind == "server-closed" ? Severity::kWarning : Severity::kInfo;
    }
  }
}

}  // namespace pqleash::reporter
