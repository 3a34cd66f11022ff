// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <pugixml.hpp>
#include <sstream>
#include <string>

#include "reporter/render/audit.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/escape.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

// XML cannot hold every byte, not even escaped its own way. What Escape leaves is UTF-8 that can be
// seen, and so allowed; line ends are ours.
void Set(pugi::xml_node node, const char* name, const std::string& text) {
  node.append_attribute(name).set_value(Escape(text).c_str());
}

void SetNumber(pugi::xml_node node, const char* name, uint64_t number) {
  node.append_attribute(name).set_value(std::to_string(number).c_str());
}

void SetText(pugi::xml_node node, const std::string& text) {
  node.append_child(pugi::node_pcdata).set_value(text.c_str());
}

std::string WholeText(const AuditFinding& audited) {
  Finding finding = audited.finding;
  if (finding.stacks.empty() && finding.call_site)
    finding.stacks.push_back({"opened at", *finding.call_site, audited.frames});
  std::ostringstream text;
  RenderFindingText(1, finding, {}, text);
  return text.str();
}

std::string SkipReason(const AuditReport& audit, const AuditFinding& finding) {
  if (finding.standing == Standing::kKnown) return "known from " + audit.baseline->path;
  const SuppressionUse& by = audit.suppressions[*finding.suppression];
  return fmt::format("suppressed by {} ({})", by.text, by.source);
}

pugi::xml_node AddCase(pugi::xml_node suite, const std::string& class_name,
                       const std::string& name) {
  pugi::xml_node node = suite.append_child("testcase");
  Set(node, "classname", class_name);
  Set(node, "name", name);
  Set(node, "time", "0");
  return node;
}

void AddFinding(const AuditReport& audit, const AuditFinding& finding, pugi::xml_node suite) {
  // The id keeps two places in one function apart: servers tell cases by their names.
  const std::string site =
      finding.finding.call_site
          ? fmt::format(", call site {}", CallSiteName(*finding.finding.call_site))
          : "";
  pugi::xml_node node =
      AddCase(suite, fmt::format("pqleash.{}", finding.finding.kind), PlaceOf(finding) + site);
  switch (finding.standing) {
    case Standing::kFails: {
      pugi::xml_node failure = node.append_child("failure");
      Set(failure, "message", finding.finding.summary);
      Set(failure, "type", std::string(finding.finding.kind));
      SetText(failure, WholeText(finding));
      return;
    }
    case Standing::kKnown:
    case Standing::kSuppressed:
      Set(node.append_child("skipped"), "message", SkipReason(audit, finding));
      break;
    case Standing::kNoted:
      break;
  }
  SetText(node.append_child("system-out"), WholeText(finding));
}

void AddRemarks(const AuditReport& audit, pugi::xml_node suite) {
  std::string text;
  for (const std::string& sentence : audit.report.incomplete)
    text += "incomplete: " + Escape(sentence) + "\n";
  for (const std::string& note : audit.notes) text += Escape(note) + "\n";
  if (!text.empty()) SetText(suite.append_child("system-err"), text);
}

}  // namespace

void RenderAuditJunit(const AuditReport& audit, std::ostream& out) {
  const uint64_t fails = CountWith(audit, Standing::kFails);
  const uint64_t skipped =
      CountWith(audit, Standing::kKnown) + CountWith(audit, Standing::kSuppressed);
  const uint64_t cases = audit.findings.size() + (fails == 0 ? 1 : 0);
  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version").set_value("1.0");
  declaration.append_attribute("encoding").set_value("UTF-8");
  pugi::xml_node suites = document.append_child("testsuites");
  pugi::xml_node suite = suites.append_child("testsuite");
  for (const pugi::xml_node& node : {suites, suite}) {
    Set(node, "name", "pqleash audit");
    SetNumber(node, "tests", cases);
    SetNumber(node, "failures", fails);
    SetNumber(node, "errors", 0);
    Set(node, "time", "0");
  }
  SetNumber(suite, "skipped", skipped);
  // ISO 8601 without zone, as the schema has it: UTC.
  Set(suite, "timestamp", Rfc3339(audit.report.generated_realtime_ns).substr(0, 19));
  Set(suite, "hostname", audit.report.host);
  if (fails == 0) AddCase(suite, "pqleash", "no new finding");
  for (const AuditFinding& finding : audit.findings) AddFinding(audit, finding, suite);
  AddRemarks(audit, suite);
  document.save(out, "  ", pugi::format_indent, pugi::encoding_utf8);
}

}  // namespace pqleash::reporter
