// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/observer.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

#include "reporter/findings/severity.h"
#include "reporter/observe/collect_caps.h"
#include "reporter/observe/make_report.h"
#include "reporter/observe/pipeline.h"
#include "reporter/render/json.h"
#include "reporter/render/json_parts.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxLogged = 20;         // problems a reading
constexpr size_t kMaxShown = 200;         // connections of one call site in a report
constexpr size_t kMaxShownInAll = 5'000;  // the most suspicious call sites come first
constexpr int kRest = 4;                  // times as long as a reading, at least
constexpr int kMissedReadings = 4;        // then something is wrong
constexpr size_t kMaxVariableColumns = 512;
constexpr size_t kMaxSameStacks = 10'000;

HookCall CallFor(const Finding& finding, const std::string& service) {
  Json json = FindingJson(finding);
  json["service"] = service;
  std::ostringstream text;
  WriteJson(json, text);
  // Of one line and without control bytes, for whoever puts them into a message.
  const auto shown = [](std::string_view value) {
    return CutEnd(Escape(value), kMaxVariableColumns);
  };
  return {text.str(),
          {{"PQLEASH_FINDING_KIND", std::string(finding.kind)},
           {"PQLEASH_FINDING_CONFIDENCE", std::string(NameOf(finding.confidence))},
           {"PQLEASH_FINDING_SEVERITY", std::string(NameOf(finding.severity))},
           {"PQLEASH_FINDING_SERVICE", shown(service)},
           {"PQLEASH_FINDING_CALL_SITE", finding.call_site ? CallSiteName(*finding.call_site) : ""},
           {"PQLEASH_FINDING_SUMMARY", shown(finding.summary)}}};
}

}  // namespace

Observer::Observer(Options options, const MemorySearch* search, Hook* hook)
    : options_(std::move(options)), search_(search), hook_(hook), thread_([this] { Work(); }) {}

Observer::~Observer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  thread_.join();
}

std::shared_ptr<const std::string> Observer::Metrics() const {
  const std::lock_guard lock(mutex_);
  return metrics_;
}

bool Observer::IsHealthy() const {
  const std::lock_guard lock(mutex_);
  // A reading may take long where there is much to read.
  const auto allowed = std::max<Clock::duration>(
      {kMissedReadings * std::max<Clock::duration>(options_.interval, (1 + kRest) * reading_took_),
       std::chrono::seconds(30)});
  return metrics_ != nullptr && Clock::now() - read_at_ < allowed;
}

void Observer::Work() {
  for (;;) {
    const auto begun = Clock::now();
    try {
      Read();
    } catch (const std::exception& error) {
      Diagnose(std::string("serve: the ledgers could not be read: ") + error.what());
    }
    // No more than a fifth of a processor, however much there is to read.
    const auto now = Clock::now();
    const auto next =
        std::max<Clock::time_point>(begun + options_.interval, now + kRest * (now - begun));
    std::unique_lock lock(mutex_);
    if (stop_.wait_until(lock, next, [this] { return stopping_; })) return;
  }
}

void Observer::Read() {
  const auto begun = Clock::now();
  Selection selection;
  selection.directory = options_.directory;
  selection.all = true;
  selection.passed_over = tally_.ended();
  Collected collected = Collect(selection);
  tally_.Take(options_.directory, &collected);
  collected.reachability = search_->VerdictsFor(collected.snapshots);
  Analysis analysis = AnalyseWithoutNames(std::move(collected));
  const Observation observation = analysis.Observe({});
  const std::vector<Finding> findings = FindAll(observation);

  SelfMetrics self;
  self.reading_s = std::chrono::duration<double>(Clock::now() - begun).count();
  self.readings_total = static_cast<double>(++readings_);
  self.last_reading_realtime_s =
      static_cast<double>(CurrentOccasion().realtime_ns) / static_cast<double>(kSecond);
  self.unreadable = static_cast<double>(analysis.collected.incomplete.size());
  self.ended_remembered = static_cast<double>(tally_.ended().size());
  self.search_s = search_->Seconds();
  auto text = std::make_shared<const std::string>(MetricsText(MetricFamilies(
      {observation, findings, tally_.services(), tally_.caps(), options_.top, self})));
  {
    const std::lock_guard lock(mutex_);
    metrics_ = std::move(text);
    read_at_ = Clock::now();
    reading_took_ = read_at_ - begun;
  }
  LogProblems(analysis.collected.incomplete);
  if (hook_ != nullptr) ReportNews(findings, &analysis);
  analysis = {};
  // What a reading took would stay with us until the next one otherwise.
  malloc_trim(0);
}

uint64_t Observer::SameStack(uint64_t call_site) const {
  const auto found = same_stack_.find(call_site);
  return found == same_stack_.end() ? call_site : found->second;
}

void Observer::RememberSameStacks(const std::vector<CallSiteGroup>& call_sites) {
  for (const CallSiteGroup& group : call_sites) {
    if (group.ids.size() < 2 || same_stack_.size() + group.ids.size() > kMaxSameStacks) continue;
    for (const uint64_t id : group.ids) same_stack_[id] = group.id;
  }
}

void Observer::ReportNews(const std::vector<Finding>& findings, Analysis* analysis) {
  const auto key_of = [&](const Observation& observation, const Finding& finding) {
    return FindingKey{std::string(finding.kind), SameStack(finding.call_site.value_or(0)),
                      ServiceOf(observation, finding)};
  };
  const auto now_ns =
      static_cast<uint64_t>(Clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
  // One that becomes severe enough later is new then.
  const Observation unnamed = analysis->Observe({});
  std::vector<FindingKey> keys;
  for (const Finding& finding : findings) {
    if (options_.on_finding.MetBy(finding.confidence, finding.severity))
      keys.push_back(key_of(unnamed, finding));
  }
  const std::vector<size_t> fresh = news_.NewIn(keys, now_ns);
  if (fresh.empty()) return;
  // Only now names are worth their price. They make one call site of those with the same stack: the
  // finding of another of them may have been told already.
  Symboliser symboliser;
  AddNames(&symboliser, {}, analysis);
  RememberSameStacks(analysis->call_sites);
  const Observation observation = analysis->Observe({});
  const std::vector<Finding> named = FindAll(observation);
  for (const size_t i : fresh) {
    FindingKey& key = keys[i];
    const uint64_t same = SameStack(key.call_site);
    if (std::exchange(key.call_site, same) != same && news_.NewIn({key}, now_ns).empty()) continue;
    const auto found = std::find_if(named.begin(), named.end(), [&](const Finding& finding) {
      return key_of(observation, finding) == key;
    });
    if (found != named.end()) hook_->Call(CallFor(*found, key.service));
  }
}

void Observer::LogProblems(const std::vector<std::string>& incomplete) {
  std::set<std::string> current;
  for (const std::string& sentence : incomplete) {
    if (current.size() == kMaxLogged) break;
    if (current.insert(sentence).second && !logged_.contains(sentence)) {
      Diagnose("serve: " + sentence);
    }
  }
  logged_ = std::move(current);
}

std::string Observer::ReportText() const {
  Selection selection;
  selection.directory = options_.directory;
  Collected collected = Collect(selection);
  collected.caps = CollectCapsOf(collected.snapshots, options_.directory);
  collected.reachability = search_->VerdictsFor(collected.snapshots);
  Report report = MakeReport(std::move(collected), {});
  size_t left = kMaxShownInAll;
  for (ReportCallSite& site : report.call_sites) {
    const size_t shown = std::min({site.connections.size(), kMaxShown, left});
    left -= shown;
    site.connections_left_out += site.connections.size() - shown;
    site.connections.resize(shown);
  }
  std::ostringstream text;
  RenderReportJson(report, text);
  return std::move(text).str();
}

}  // namespace pqleash::reporter
