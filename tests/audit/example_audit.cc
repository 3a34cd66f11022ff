// SPDX-License-Identifier: Apache-2.0

#include "tests/audit/example_audit.h"

namespace pqleash::reporter {
namespace {

AuditFinding MakeFinding(uint64_t site, Standing standing, const std::string& function,
                         const std::string& hostile) {
  SourceFrame frame;
  frame.function = function + hostile;
  frame.file = "/srv/shop/src/" + function + hostile + ".cc";
  frame.line = 12;
  frame.module = "/srv/shop/bin/shop" + hostile;
  frame.offset = 0x10;
  AuditFinding finding;
  finding.finding.kind = "leak-suspect";
  finding.finding.summary = "2 connections opened by " + frame.function + " were still open";
  finding.finding.severity = Severity::kCritical;
  finding.finding.advice = "close them";
  finding.finding.call_site = site;
  finding.finding.connections = 2;
  finding.finding.evidence = {{"open_at_exit", 2, "connections"}};
  finding.standing = standing;
  finding.frames = {frame};
  finding.headline = 0;
  finding.fingerprint = "00000000000000f" + std::to_string(site % 10);
  return finding;
}

}  // namespace

AuditReport ExampleAudit(const std::string& hostile) {
  AuditReport audit;
  audit.report.generated_realtime_ns = 1'800'000'000'000'000'000;
  audit.report.host = "ci" + hostile;
  audit.report.incomplete = {"ledger 1 could not be read" + hostile};
  audit.findings = {MakeFinding(0xa1, Standing::kFails, "Open", hostile),
                    MakeFinding(0xa2, Standing::kKnown, "Known", hostile),
                    MakeFinding(0xa3, Standing::kSuppressed, "Pool", hostile)};
  audit.findings[0].finding.confidence = Confidence::kProven;
  audit.findings[1].known_connections = 1;
  audit.findings[2].suppression = 0;
  for (const AuditFinding& finding : audit.findings)
    audit.report.findings.push_back(finding.finding);
  audit.suppressions = {{"leak:Pool", "x.supp:3", 1, 2}, {"leak:Never", "x.supp:4", 0, 0}};
  audit.baseline = Baseline{
      "b.json",
      {{"leak-suspect", "known" + hostile, "00000000000000a2", std::nullopt, 1, true},
       {"lost-handle", "gone" + hostile, "00000000000000a9", "00000000000000f9", 1, false}}};
  audit.notes = {"a note" + hostile};
  audit.program.name = "shop" + hostile;
  audit.program.exit_code = 0;
  audit.kinds = {"leak-suspect"};
  audit.source_root = "/srv/shop";
  return audit;
}

}  // namespace pqleash::reporter
