// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/saved_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "reporter/findings/severity.h"
#include "reporter/report/bounded_file.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/duration.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

using Json = nlohmann::json;

struct BadDocument {
  std::string sentence;
};

// A value and the way to it, which complaints name.
class Node {
 public:
  Node(const Json& value, std::string path) : value_(value), path_(std::move(path)) {}

  Node At(const std::string& key) const {
    if (!value_.is_object()) Expected("an object");
    const auto found = value_.find(key);
    if (found == value_.end()) {
      throw BadDocument{fmt::format("{} is missing", Path(key))};
    }
    return {*found, Path(key)};
  }
  bool Has(const std::string& key) const {
    if (!value_.is_object()) Expected("an object");
    const auto found = value_.find(key);
    return found != value_.end() && !found->is_null();
  }

  std::string Text() const {
    if (!value_.is_string()) Expected("a string");
    return value_.get<std::string>();
  }
  // Empty for null.
  std::string TextOrNull() const { return value_.is_null() ? std::string() : Text(); }
  std::optional<std::string> OptionalText() const {
    return value_.is_null() ? std::nullopt : std::optional(Text());
  }

  uint64_t Whole(uint64_t max = std::numeric_limits<uint64_t>::max()) const {
    if (!value_.is_number_unsigned()) Expected("a whole number of at least 0");
    const auto number = value_.get<uint64_t>();
    if (number > max) {
      throw BadDocument{fmt::format("{} is {}, expected at most {}", path_, number, max)};
    }
    return number;
  }
  // 0 for null.
  uint64_t WholeOrNull(uint64_t max) const { return value_.is_null() ? 0 : Whole(max); }

  double Number() const {
    if (!value_.is_number()) Expected("a number");
    return value_.get<double>();
  }

  bool Truth() const {
    if (!value_.is_boolean()) Expected("true or false");
    return value_.get<bool>();
  }

  bool IsNull() const { return value_.is_null(); }

  template <typename Read>
  auto Each(const Read& read) const {
    if (!value_.is_array()) Expected("an array");
    std::vector<decltype(read(*this))> values;
    values.reserve(value_.size());
    for (size_t i = 0; i < value_.size(); ++i) {
      values.push_back(read(Node(value_[i], fmt::format("{}[{}]", path_, i))));
    }
    return values;
  }

  [[noreturn]] void Expected(const std::string& what) const {
    throw BadDocument{fmt::format("{} is {}, expected {}", path_.empty() ? "the document" : path_,
                                  TypeName(), what)};
  }

 private:
  std::string Path(const std::string& key) const {
    return path_.empty() ? key : fmt::format("{}.{}", path_, key);
  }
  std::string TypeName() const {
    const std::string name = value_.type_name();
    if (value_.is_null()) return name;
    return (value_.is_array() || value_.is_object() ? "an " : "a ") + name;
  }

  const Json& value_;
  const std::string path_;
};

// Leaves out what nothing is taken of, and what most of a document's text may be, as it is parsed.
class Parser {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxSavedDepth) {
      throw BadDocument{fmt::format("it is nested deeper than {} levels", kMaxSavedDepth)};
    }
    if (event == Json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      of_connections_ = key == "connections";
      return std::find(std::begin(kLeftOut), std::end(kLeftOut), key) == std::end(kLeftOut);
    }
    // Of an audit's finding it is a number.
    return event != Json::parse_event_t::array_start || !of_connections_;
  }

 private:
  static constexpr std::string_view kLeftOut[] = {"history", "times", "coverage", "stacks",
                                                  "server"};

  bool of_connections_ = false;
};

// In ns; as a file may say anything, at most 30 years.
std::optional<uint64_t> ReadSeconds(const Node& site, const std::string& key) {
  constexpr double kMax = 1e9;
  if (!site.Has(key)) return std::nullopt;
  return static_cast<uint64_t>(std::clamp(site.At(key).Number(), 0.0, kMax) *
                               static_cast<double>(kSecond));
}

// 0 for null.
uint64_t ReadTime(const Node& node) {
  if (node.IsNull()) return 0;
  const auto realtime_ns = ParseRfc3339(node.Text());
  if (!realtime_ns) node.Expected("a time such as 2026-11-21T12:40:03.250Z");
  return realtime_ns.value_or(0);
}

std::vector<std::string> ReadHosts(const Node& node) {
  if (!node.Has("hosts")) return {};
  return node.At("hosts").Each([](const Node& host) { return host.Text(); });
}

uint64_t ReadSiteId(const Node& node) {
  const auto id = CallSiteNamed(node.Text());
  if (!id) node.Expected("16 hexadecimal digits or 'unknown'");
  return id.value_or(0);
}

Language ReadLanguage(const Node& node) {
  const std::string name = node.Text();
  for (const Language language :
       {Language::kNative, Language::kPython, Language::kRuby, Language::kPhp, Language::kPerl}) {
    if (name == NameOf(language)) return language;
  }
  return Language::kUnknown;  // of a later version: its frames can be shown all the same
}

Severity ReadSeverity(const Node& node) {
  const auto severity = SeverityNamed(node.Text());
  if (!severity) node.Expected("critical, warning or info");
  return severity.value_or(Severity::kWarning);
}

Confidence ReadConfidence(const Node& node) {
  const std::string name = node.Text();
  if (name == NameOf(Confidence::kProven)) return Confidence::kProven;
  if (name != NameOf(Confidence::kLikely)) node.Expected("'proven' or 'likely'");
  return Confidence::kLikely;
}

SourceFrame ReadFrame(const Node& node) {
  SourceFrame frame;
  constexpr uint64_t kMaxLine = std::numeric_limits<uint32_t>::max();
  frame.function = node.At("function").TextOrNull();
  frame.file = node.At("file").TextOrNull();
  frame.line = static_cast<uint32_t>(node.At("line").WholeOrNull(kMaxLine));
  frame.module = node.At("module").TextOrNull();
  frame.offset = node.At("offset").Whole();
  frame.language = ReadLanguage(node.At("language"));
  if (node.Has("inlined")) frame.inlined = node.At("inlined").Truth();
  return frame;
}

ReportProcess ReadProcess(const Node& node) {
  ReportProcess process;
  process.pid = static_cast<int32_t>(node.At("pid").Whole(std::numeric_limits<int32_t>::max()));
  process.service = node.At("service").Text();
  process.exe = node.At("exe").Text();
  process.host_name = node.At("host").Text();
  process.life = LifeNamed(node.At("state").Text());
  if (node.Has("since")) process.since_realtime_ns = ReadTime(node.At("since"));
  process.totals.open = node.At("open").Whole();
  process.totals.opened = node.At("opened_total").Whole();
  process.totals.closed = node.At("closed_total").Whole();
  process.totals.failed = node.At("failed_total").Whole();
  return process;
}

std::optional<size_t> ReadFrameIndex(const Node& node, size_t frames) {
  if (node.IsNull()) return std::nullopt;
  const size_t index = node.Whole();
  if (index >= frames) node.Expected("the index of one of the frames");
  return index;
}

ReportCallSite ReadCallSite(const Node& node) {
  ReportCallSite site;
  site.id = ReadSiteId(node.At("id"));
  if (node.Has("ids")) site.ids = node.At("ids").Each(ReadSiteId);
  if (site.ids.empty()) site.ids = {site.id};
  site.processes = node.At("processes").Whole();
  site.open = node.At("open").Whole();
  site.opened = node.At("opened_total").Whole();
  site.closed = node.At("closed_total").Whole();
  site.failed = node.At("failed_total").Whole();
  site.peak = node.At("peak").Whole();
  if (node.Has("in_use")) site.in_use = node.At("in_use").Whole();
  if (node.Has("in_use_peak")) site.in_use_peak = node.At("in_use_peak").Whole();
  if (node.Has("stack_truncated")) site.stack_truncated = node.At("stack_truncated").Truth();
  if (node.Has("stack_incomplete")) site.stack_incomplete = node.At("stack_incomplete").Truth();
  site.oldest_age_ns = ReadSeconds(node, "oldest_age_s");
  site.max_idle_ns = ReadSeconds(node, "max_idle_s");
  site.hosts = ReadHosts(node);
  site.frames = node.At("frames").Each(ReadFrame);
  site.headline = ReadFrameIndex(node.At("headline"), site.frames.size());
  if (site.headline && node.Has("caller"))
    site.caller = ReadFrameIndex(node.At("caller"), site.frames.size());
  return site;
}

Evidence ReadEvidence(const Node& node) {
  return {node.At("name").Text(), node.At("number").Number(), node.At("unit").Text()};
}

Finding ReadFinding(const Node& node, bool of_audit) {
  Finding finding;
  finding.kind = node.At("kind").Text();
  finding.confidence = ReadConfidence(node.At("confidence"));
  // Earlier versions wrote none.
  if (node.Has("severity")) finding.severity = ReadSeverity(node.At("severity"));
  finding.summary = node.At("summary").Text();
  finding.advice = node.At("advice").Text();
  const Node call_site = node.At("call_site");
  if (!call_site.IsNull()) finding.call_site = ReadSiteId(call_site);
  finding.evidence = node.At("evidence").Each(ReadEvidence);
  finding.hosts = ReadHosts(node);
  if (of_audit) finding.connections = node.At("connections").Whole();
  return finding;
}

SavedStanding ReadStanding(const Node& node) {
  return {node.At("standing").Text(), node.At("fingerprint").OptionalText()};
}

ReportSource ReadSource(const Node& node) {
  return {node.At("file").Text(), node.At("host").Text(), ReadTime(node.At("generated_at")),
          node.At("processes").Whole()};
}

SavedReport ReadReport(const Node& node) {
  const std::string schema = node.At("schema").Text();
  if (schema != kReportSchema && schema != kAuditSchema) {
    throw BadDocument{fmt::format(
        "its schema is '{}', expected '{}' or '{}': it is another document, or of another version "
        "of pqleash; save it again with this one",
        schema.substr(0, 100), kReportSchema, kAuditSchema)};
  }
  SavedReport saved;
  saved.of_audit = schema == kAuditSchema;
  Report& report = saved.report;
  report.generated_realtime_ns = ReadTime(node.At("generated_at"));
  report.host = node.At("host").Text();
  report.merged = node.Has("merged");
  if (report.merged) report.sources = node.At("merged").Each(ReadSource);
  report.processes = node.At("processes").Each(ReadProcess);
  report.call_sites = node.At("call_sites").Each(ReadCallSite);
  if (node.Has("answer")) {
    const Node answer = node.At("answer");
    report.answer.verdict = VerdictNamed(answer.At("verdict").Text());
    report.answer.sentence = answer.At("sentence").Text();
  }
  const Node findings = node.At("findings");
  report.findings =
      findings.Each([&](const Node& finding) { return ReadFinding(finding, saved.of_audit); });
  if (saved.of_audit) saved.standings = findings.Each(ReadStanding);
  report.incomplete =
      node.At("incomplete").Each([](const Node& sentence) { return sentence.Text(); });
  if (node.Has("call_sites_left_out"))
    report.call_sites_left_out = node.At("call_sites_left_out").Whole();
  return saved;
}

}  // namespace

SavedReportResult ParseSavedReport(std::string_view json, const std::string& name) {
  try {
    const Json document = Json::parse(json.begin(), json.end(), Parser());
    return ReadReport(Node(document, ""));
  } catch (const BadDocument& bad) {
    return fmt::format("{} is not a report of pqleash: {}", name, bad.sentence);
  } catch (const Json::parse_error& error) {
    return fmt::format(
        "{} is not a report of pqleash: no JSON at byte {}; expected what `pqleash report --format "
        "json` or `pqleash audit --format json` writes",
        name, error.byte);
  } catch (const Json::exception& error) {
    return fmt::format("{} is not a report of pqleash: {}", name, error.what());
  }
}

SavedReportResult ReadSavedReport(const std::string& path) {
  std::string problem;
  const auto text = ReadBoundedFile(path, kMaxSavedBytes, &problem);
  if (!text) return problem;
  return ParseSavedReport(*text, path);
}

}  // namespace pqleash::reporter
