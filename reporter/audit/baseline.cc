// SPDX-License-Identifier: Apache-2.0

#include "reporter/audit/baseline.h"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "reporter/audit/fingerprint.h"
#include "reporter/snapshot/names.h"

namespace pqleash::reporter {
namespace {

std::string SiteOf(const AuditFinding& finding) {
  return finding.finding.call_site ? CallSiteName(*finding.finding.call_site) : std::string();
}

using Same = std::function<bool(const BaselineEntry&, const AuditFinding&)>;

void MatchBy(const Same& same, Baseline* baseline, std::vector<AuditFinding>* findings) {
  for (AuditFinding& finding : *findings) {
    if (finding.standing == Standing::kSuppressed || finding.standing == Standing::kKnown) continue;
    for (BaselineEntry& entry : baseline->entries) {
      if (entry.seen || KnownAs(entry.kind) != KnownAs(finding.finding.kind) ||
          !same(entry, finding))
        continue;
      entry.seen = true;
      finding.standing = Standing::kKnown;
      finding.known_connections = entry.connections;
      break;
    }
  }
}

}  // namespace

BaselineResult ToBaseline(SavedReport saved, const std::string& path) {
  if (!saved.of_audit) {
    return fmt::format(
        "{} cannot be the baseline: its schema is '{}', expected '{}'; make one with `pqleash "
        "audit "
        "--write-baseline FILE`",
        path, kReportSchema, kAuditSchema);
  }
  Baseline baseline;
  baseline.path = path;
  for (size_t i = 0; i < saved.report.findings.size(); ++i) {
    if (saved.Suppressed(i)) continue;
    Finding& finding = saved.report.findings[i];
    baseline.entries.push_back({std::move(finding.kind), std::move(finding.summary),
                                finding.call_site ? CallSiteName(*finding.call_site) : "",
                                std::move(saved.standings[i].fingerprint), finding.connections,
                                false});
  }
  return baseline;
}

BaselineResult ReadBaseline(const std::string& path) {
  SavedReportResult saved = ReadSavedReport(path);
  if (auto* problem = std::get_if<std::string>(&saved)) return std::move(*problem);
  return ToBaseline(std::get<SavedReport>(std::move(saved)), path);
}

void MatchBaseline(Baseline* baseline, std::vector<AuditFinding>* findings) {
  MatchBy([](const BaselineEntry& entry,
             const AuditFinding& finding) { return entry.call_site == SiteOf(finding); },
          baseline, findings);
  MatchBy(
      [](const BaselineEntry& entry, const AuditFinding& finding) {
        return finding.fingerprint && entry.fingerprint == finding.fingerprint;
      },
      baseline, findings);
}

}  // namespace pqleash::reporter
