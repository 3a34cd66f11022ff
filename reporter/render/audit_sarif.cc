// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/render/audit.h"
#include "reporter/render/json_values.h"
#include "reporter/snapshot/names.h"

namespace pqleash::reporter {
namespace {

constexpr char kSourceRoot[] = "%SRCROOT%";

struct Rule {
  std::string_view kind;
  std::string_view description;
};

constexpr Rule kRules[] = {
    {"lost-owner", "A connection was open whose only owners nothing in the process led to"},
    {"lost-handle", "A connection was open to which nothing in the process referred any more"},
    {"leak-suspect", "Connections were still open when the process ended, or look forgotten"},
    {"unfinished-failed-connect", "A connect failed and its handle was never passed to PQfinish"},
    {"fork-shared", "Two processes used one connection after a fork"},
    {"idle-in-transaction", "A connection was left inside of a transaction"},
};

std::string_view DescriptionOf(std::string_view kind) {
  for (const Rule& rule : kRules) {
    if (rule.kind == kind) return rule.description;
  }
  return kind;
}

// Bytes of a path that a URI takes as they are (RFC 3986).
bool IsPlainInUri(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || std::string_view("-._~/").find(byte) != std::string::npos;
}

std::string UriPath(std::string_view path) {
  std::string uri;
  for (const char byte : path) {
    if (IsPlainInUri(byte)) {
      uri += byte;
    } else {
      uri += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    }
  }
  return uri;
}

std::string DirectoryUri(const std::string& directory) {
  return "file://" + UriPath(directory) + (directory.ends_with('/') ? "" : "/");
}

class Sarif {
 public:
  explicit Sarif(const AuditReport& audit) : audit_(audit) {
    for (const AuditFinding& finding : audit.findings) AddKind(std::string(finding.finding.kind));
    if (!audit.baseline) return;
    for (const BaselineEntry& entry : audit.baseline->entries) {
      if (!entry.seen) AddKind(entry.kind);
    }
  }

  Json Document() const {
    Json run = {
        {"tool", {{"driver", Driver()}}},
        {"invocations", Json::array({Invocation()})},
        {"originalUriBaseIds", {{kSourceRoot, {{"uri", DirectoryUri(audit_.source_root)}}}}},
        {"columnKind", "unicodeCodePoints"},
        {"results", Results()}};
    return {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
            {"version", "2.1.0"},
            {"runs", Json::array({std::move(run)})}};
  }

 private:
  void AddKind(const std::string& kind) {
    if (std::find(kinds_.begin(), kinds_.end(), kind) == kinds_.end()) kinds_.push_back(kind);
  }

  size_t IndexOf(std::string_view kind) const {
    return static_cast<size_t>(std::find(kinds_.begin(), kinds_.end(), kind) - kinds_.begin());
  }

  Json Driver() const {
    Json rules = Json::array();
    for (const std::string& kind : kinds_)
      rules.push_back({{"id", kind}, {"shortDescription", {{"text", DescriptionOf(kind)}}}});
    return {{"name", "pqleash"}, {"version", PQLEASH_VERSION}, {"rules", std::move(rules)}};
  }

  // Of the audit, which is what the results come from; not of the program.
  Json Invocation() const {
    Json notifications = Json::array();
    for (const std::string& sentence : audit_.report.incomplete)
      notifications.push_back({{"level", "error"}, {"message", {{"text", sentence}}}});
    for (const std::string& note : audit_.notes)
      notifications.push_back({{"level", "note"}, {"message", {{"text", note}}}});
    return {{"executionSuccessful", audit_.report.incomplete.empty()},
            {"endTimeUtc", Timestamp(audit_.report.generated_realtime_ns)},
            {"toolExecutionNotifications", std::move(notifications)}};
  }

  // Relative to where the audit was started, for what is below it.
  Json Artifact(const std::string& file) const {
    const std::string root =
        audit_.source_root.ends_with('/') ? audit_.source_root : audit_.source_root + '/';
    if (file.starts_with(root))
      return {{"uri", UriPath(file.substr(root.size()))}, {"uriBaseId", kSourceRoot}};
    if (file.starts_with('/')) return {{"uri", "file://" + UriPath(file)}};
    return {{"uri", UriPath(file)}, {"uriBaseId", kSourceRoot}};
  }

  Json Location(const SourceFrame& frame) const {
    Json location = Json::object();
    const std::string& file = frame.file.empty() ? frame.module : frame.file;
    if (!file.empty()) {
      Json physical = {{"artifactLocation", Artifact(file)}};
      if (!frame.file.empty() && frame.line != 0) physical["region"] = {{"startLine", frame.line}};
      location["physicalLocation"] = std::move(physical);
    }
    if (!frame.function.empty()) {
      location["logicalLocations"] =
          Json::array({{{"fullyQualifiedName", frame.function}, {"kind", "function"}}});
    }
    return location;
  }

  Json Stack(const std::string& what, const std::vector<SourceFrame>& frames) const {
    Json stack = Json::array();
    for (const SourceFrame& frame : frames) {
      Json json = {{"location", Location(frame)}};
      json["location"]["message"] = {{"text", DescribeFrame(&frame)}};
      if (!frame.module.empty()) json["module"] = frame.module;
      stack.push_back(std::move(json));
    }
    return {{"message", {{"text", what}}}, {"frames", std::move(stack)}};
  }

  static const char* LevelOf(const AuditFinding& finding) {
    if (finding.standing == Standing::kNoted) return "note";
    return finding.finding.confidence == Confidence::kProven ? "error" : "warning";
  }

  Json Result(const AuditFinding& audited) const {
    const Finding& finding = audited.finding;
    Json result = {
        {"ruleId", finding.kind},
        {"ruleIndex", IndexOf(finding.kind)},
        {"level", LevelOf(audited)},
        {"message", {{"text", fmt::format("{}. {}.", finding.summary, finding.advice)}}}};
    if (audited.headline)
      result["locations"] = Json::array({Location(audited.frames[*audited.headline])});
    Json stacks = Json::array();
    if (finding.stacks.empty() && !audited.frames.empty())
      stacks.push_back(Stack("opened at", audited.frames));
    for (const FindingStack& stack : finding.stacks)
      stacks.push_back(Stack(stack.what, stack.frames));
    if (!stacks.empty()) result["stacks"] = std::move(stacks);
    if (finding.connections != 0) result["occurrenceCount"] = finding.connections;
    Json fingerprints = Json::object();
    if (finding.call_site) fingerprints["pqleashCallSite/v1"] = CallSiteName(*finding.call_site);
    if (audited.fingerprint) fingerprints["pqleashStack/v1"] = *audited.fingerprint;
    if (!fingerprints.empty()) result["partialFingerprints"] = std::move(fingerprints);
    if (audited.suppression) {
      const SuppressionUse& by = audit_.suppressions[*audited.suppression];
      result["suppressions"] = Json::array(
          {{{"kind", "external"}, {"justification", fmt::format("{} ({})", by.text, by.source)}}});
    }
    if (audit_.baseline)
      result["baselineState"] = audited.standing == Standing::kKnown ? "unchanged" : "new";
    return result;
  }

  Json Gone(const BaselineEntry& entry) const {
    Json result = {{"ruleId", entry.kind},
                   {"ruleIndex", IndexOf(entry.kind)},
                   {"level", "none"},
                   {"kind", "pass"},
                   {"message", {{"text", entry.summary}}},
                   {"baselineState", "absent"}};
    Json fingerprints = Json::object();
    if (!entry.call_site.empty()) fingerprints["pqleashCallSite/v1"] = entry.call_site;
    if (entry.fingerprint) fingerprints["pqleashStack/v1"] = *entry.fingerprint;
    if (!fingerprints.empty()) result["partialFingerprints"] = std::move(fingerprints);
    return result;
  }

  Json Results() const {
    Json results = Json::array();
    for (const AuditFinding& finding : audit_.findings) results.push_back(Result(finding));
    if (!audit_.baseline) return results;
    for (const BaselineEntry& entry : audit_.baseline->entries) {
      if (!entry.seen) results.push_back(Gone(entry));
    }
    return results;
  }

  const AuditReport& audit_;
  std::vector<std::string> kinds_;
};

}  // namespace

void RenderAuditSarif(const AuditReport& audit, std::ostream& out) {
  WriteJson(Sarif(audit).Document(), out);
}

}  // namespace pqleash::reporter
