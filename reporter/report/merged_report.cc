// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/merged_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace pqleash::reporter {
namespace {

std::string IdentityOf(const SavedProcess& process) {
  return fmt::format("{}\n{}\n{}", process.host, process.pid, process.since);
}

// Drops reports that have processes in common with a later one; among equals the first stays.
std::vector<NamedReport> WithoutOverlaps(std::vector<NamedReport> reports,
                                         std::vector<std::string>* incomplete) {
  std::vector<size_t> order(reports.size());
  std::iota(order.begin(), order.end(), size_t{0});
  // RFC 3339 in UTC, so that the order of texts is that of times.
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return reports[a].report.generated_at > reports[b].report.generated_at;
  });
  std::unordered_map<std::string, size_t> taken;  // process → report
  std::set<size_t> dropped;
  for (const size_t i : order) {
    uint64_t common = 0;
    size_t with = 0;
    for (const SavedProcess& process : reports[i].report.processes) {
      const auto found = taken.find(IdentityOf(process));
      if (found == taken.end()) continue;
      ++common;
      with = found->second;
    }
    if (common != 0) {
      dropped.insert(i);
      incomplete->push_back(fmt::format(
          "{} is left out: {} of its {} processes are in {}, too, which is no older; merge reports "
          "of different hosts, or of different processes",
          reports[i].name, common, reports[i].report.processes.size(), reports[with].name));
      continue;
    }
    for (const SavedProcess& process : reports[i].report.processes)
      taken.emplace(IdentityOf(process), i);
  }
  std::vector<NamedReport> kept;
  for (size_t i = 0; i < reports.size(); ++i) {
    if (!dropped.contains(i)) kept.push_back(std::move(reports[i]));
  }
  return kept;
}

void AddHosts(const std::vector<std::string>& hosts, const std::string& otherwise,
              std::set<std::string>* all) {
  if (hosts.empty()) all->insert(otherwise);
  all->insert(hosts.begin(), hosts.end());
}

// How much a stack tells: on some hosts debug information is missing.
size_t KnownFrames(const SavedCallSite& site) {
  return static_cast<size_t>(std::count_if(
      site.frames.begin(), site.frames.end(),
      [](const SourceFrame& frame) { return !frame.function.empty() && !frame.file.empty(); }));
}

void AddSite(SavedCallSite from, SavedCallSite* to) {
  to->processes += from.processes;
  to->open += from.open;
  to->opened += from.opened;
  to->closed += from.closed;
  to->failed += from.failed;
  to->peak += from.peak;
  to->in_use += from.in_use;
  to->in_use_peak += from.in_use_peak;
  to->oldest_age_s = std::max(to->oldest_age_s, from.oldest_age_s);
  to->max_idle_s = std::max(to->max_idle_s, from.max_idle_s);
  if (to->frames.empty() || KnownFrames(from) > KnownFrames(*to)) {
    to->frames = std::move(from.frames);
    to->headline = from.headline;
    to->caller = from.caller;
  }
}

void AddEvidence(const std::vector<Evidence>& from, std::vector<Evidence>* to) {
  for (const Evidence& evidence : from) {
    const auto same = std::find_if(to->begin(), to->end(), [&](const Evidence& each) {
      return each.name == evidence.name && each.unit == evidence.unit;
    });
    if (same == to->end()) {
      to->push_back(evidence);
    } else if (evidence.unit == "s" || evidence.unit == "%") {
      same->number = std::max(same->number, evidence.number);
    } else {
      same->number += evidence.number;
    }
  }
}

// What a finding is about, in number: detectors give it first.
double Weight(const SavedFinding& finding) {
  return finding.evidence.empty() ? 0 : finding.evidence.front().number;
}

struct FindingGroup {
  SavedFinding merged;
  SavedFinding worst;
  std::string worst_host;
  std::set<std::string> hosts;
  size_t rank = 0;  // the best that it has in any report
};

class Merger {
 public:
  void Add(NamedReport named) {
    SavedReport& report = named.report;
    sources_.push_back({named.name, report.host, report.generated_at, report.processes.size()});
    for (SavedCallSite& site : report.call_sites) AddCallSite(std::move(site), report.host);
    for (size_t rank = 0; rank < report.findings.size(); ++rank)
      AddFinding(std::move(report.findings[rank]), rank, report.host);
    AddAnswer(report);
    std::move(report.processes.begin(), report.processes.end(), std::back_inserter(processes_));
    for (const std::string& sentence : report.incomplete)
      incomplete_.push_back(fmt::format("{}: {}", report.host, sentence));
    left_out_ += report.call_sites_left_out;
  }

  MergedReport Finish(std::vector<std::string> incomplete) {
    MergedReport merged;
    merged.findings = Findings();
    merged.call_sites = CallSites(merged.findings);
    std::tie(merged.verdict, merged.answer) = Answer();
    merged.sources = std::move(sources_);
    merged.processes = std::move(processes_);
    merged.incomplete = std::move(incomplete);
    std::move(incomplete_.begin(), incomplete_.end(), std::back_inserter(merged.incomplete));
    merged.call_sites_left_out = left_out_;
    return merged;
  }

 private:
  struct SiteGroup {
    SavedCallSite merged;
    std::set<std::string> hosts;
  };

  struct AnswerGroup {
    std::set<std::string> hosts;
    std::string sentence;  // of the report that holds most
    uint64_t open = 0;
  };

  void AddCallSite(SavedCallSite site, const std::string& host) {
    const auto [found, fresh] = sites_.try_emplace(site.id);
    SiteGroup& group = found->second;
    AddHosts(site.hosts, host, &group.hosts);
    if (fresh) {
      site_order_.push_back(site.id);
      group.merged = std::move(site);
    } else {
      AddSite(std::move(site), &group.merged);
    }
  }

  void AddFinding(SavedFinding finding, size_t rank, const std::string& host) {
    const auto [found, fresh] =
        findings_.try_emplace(std::pair(finding.kind, finding.call_site.value_or("")));
    FindingGroup& group = found->second;
    AddHosts(finding.hosts, host, &group.hosts);
    if (fresh) {
      group.merged = group.worst = std::move(finding);
      group.worst_host = host;
      group.rank = rank;
      return;
    }
    group.rank = std::min(group.rank, rank);
    group.merged.confidence = std::max(group.merged.confidence, finding.confidence);
    group.merged.severity = std::max(group.merged.severity, finding.severity);
    AddEvidence(finding.evidence, &group.merged.evidence);
    if (Weight(finding) > Weight(group.worst)) {
      group.worst = std::move(finding);
      group.worst_host = host;
    }
  }

  void AddAnswer(const SavedReport& report) {
    hosts_.insert(report.host);
    uint64_t open = 0;
    for (const SavedProcess& process : report.processes) open += process.open;
    open_ += open;
    if (report.verdict.empty() || report.verdict == "none") return;
    AnswerGroup& group = answers_[report.verdict];
    group.hosts.insert(report.host);
    if (group.sentence.empty() || open > group.open) {
      group.sentence = fmt::format("{}: {}", report.host, report.answer);
      group.open = open;
    }
  }

  std::vector<SavedFinding> Findings() {
    std::vector<FindingGroup> groups;
    for (auto& [key, group] : findings_) groups.push_back(std::move(group));
    std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
      return std::tuple(a.rank, b.hosts.size(), Weight(b.merged)) <
             std::tuple(b.rank, a.hosts.size(), Weight(a.merged));
    });
    std::vector<SavedFinding> findings;
    for (FindingGroup& group : groups) {
      SavedFinding& finding = group.merged;
      if (group.hosts.size() > 1) {
        finding.summary = fmt::format("on {} hosts, most on {}: {}", group.hosts.size(),
                                      group.worst_host, group.worst.summary);
        finding.advice = group.worst.advice;
      } else if (group.worst.hosts.empty()) {
        finding.summary = fmt::format("on {}: {}", group.worst_host, group.worst.summary);
      }
      finding.hosts.assign(group.hosts.begin(), group.hosts.end());
      findings.push_back(std::move(finding));
    }
    return findings;
  }

  std::vector<SavedCallSite> CallSites(const std::vector<SavedFinding>& findings) {
    std::unordered_map<std::string, size_t> rank;
    for (size_t i = 0; i < findings.size(); ++i) {
      if (findings[i].call_site) rank.try_emplace(*findings[i].call_site, i);
    }
    std::vector<SavedCallSite> sites;
    for (const std::string& id : site_order_) {
      SiteGroup& group = sites_[id];
      group.merged.hosts.assign(group.hosts.begin(), group.hosts.end());
      sites.push_back(std::move(group.merged));
    }
    const auto rank_of = [&](const SavedCallSite& site) {
      const auto found = rank.find(site.id);
      return found == rank.end() ? findings.size() : found->second;
    };
    std::stable_sort(sites.begin(), sites.end(),
                     [&](const SavedCallSite& a, const SavedCallSite& b) {
                       return std::tuple(rank_of(a), b.open, b.opened + b.failed) <
                              std::tuple(rank_of(b), a.open, a.opened + a.failed);
                     });
    return sites;
  }

  // That of most hosts; where as many say something else, that of those which hold more.
  std::pair<std::string, std::string> Answer() const {
    const auto most =
        std::max_element(answers_.begin(), answers_.end(), [](const auto& a, const auto& b) {
          return std::pair(a.second.hosts.size(), a.second.open) <
                 std::pair(b.second.hosts.size(), b.second.open);
        });
    if (most == answers_.end()) {
      return {"none",
              fmt::format("No leak, and no limit that is too small, on any of {} host{}: {} "
                          "connections are open",
                          hosts_.size(), hosts_.size() == 1 ? "" : "s", open_)};
    }
    return {most->first,
            fmt::format("On {} of {} host{}, as on {}", most->second.hosts.size(), hosts_.size(),
                        hosts_.size() == 1 ? "" : "s", most->second.sentence)};
  }

  std::vector<MergedSource> sources_;
  std::vector<SavedProcess> processes_;
  std::unordered_map<std::string, SiteGroup> sites_;
  std::vector<std::string> site_order_;
  std::map<std::pair<std::string, std::string>, FindingGroup> findings_;
  std::map<std::string, AnswerGroup> answers_;  // by verdict
  std::set<std::string> hosts_;
  std::vector<std::string> incomplete_;
  uint64_t open_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace

MergedReport Merge(std::vector<NamedReport> reports, std::vector<std::string> incomplete,
                   const Occasion& occasion) {
  Merger merger;
  for (NamedReport& report : WithoutOverlaps(std::move(reports), &incomplete))
    merger.Add(std::move(report));
  MergedReport merged = merger.Finish(std::move(incomplete));
  merged.generated_realtime_ns = occasion.realtime_ns;
  merged.host = occasion.host;
  return merged;
}

void KeepTop(uint64_t top, MergedReport* report) {
  if (report->call_sites.size() <= top) return;
  report->call_sites_left_out += report->call_sites.size() - top;
  report->call_sites.resize(top);
}

}  // namespace pqleash::reporter
