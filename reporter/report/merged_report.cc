// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/merged_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace pqleash::reporter {
namespace {

std::string IdentityOf(const ReportProcess& process) {
  return fmt::format("{}\n{}\n{}", process.host_name, process.pid, process.since_realtime_ns);
}

// Gives all call sites that have an id in common, in any of the reports, the smallest of their ids.
class CommonIds {
 public:
  void Add(const ReportCallSite& site) {
    for (const uint64_t id : site.ids) Join(site.id, id);
  }

  uint64_t Of(uint64_t id) const {
    for (auto found = smaller_.find(id); found != smaller_.end(); found = smaller_.find(id))
      id = found->second;
    return id;
  }

 private:
  // 0 is what could not be attributed.
  void Join(uint64_t a, uint64_t b) {
    if (a == 0 || b == 0) return;
    const auto [small, large] = std::minmax({Of(a), Of(b)});
    if (small != large) smaller_[large] = small;
  }

  std::unordered_map<uint64_t, uint64_t> smaller_;
};

void UseCommonIds(std::vector<NamedReport>* reports) {
  CommonIds common;
  for (const NamedReport& named : *reports) {
    for (const ReportCallSite& site : named.report.call_sites) common.Add(site);
  }
  for (NamedReport& named : *reports) {
    for (ReportCallSite& site : named.report.call_sites) {
      std::sort(site.ids.begin(), site.ids.end());
      site.id = common.Of(site.id);
    }
    for (Finding& finding : named.report.findings) {
      if (finding.call_site) finding.call_site = common.Of(*finding.call_site);
    }
  }
}

// Drops reports that have processes in common with a later one; among equals the first stays.
std::vector<NamedReport> WithoutOverlaps(std::vector<NamedReport> reports,
                                         std::vector<std::string>* incomplete) {
  std::vector<size_t> order(reports.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return reports[a].report.generated_realtime_ns > reports[b].report.generated_realtime_ns;
  });
  std::unordered_map<std::string, size_t> taken;  // process → report
  std::set<size_t> dropped;
  for (const size_t i : order) {
    uint64_t common = 0;
    size_t with = 0;
    for (const ReportProcess& process : reports[i].report.processes) {
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
    for (const ReportProcess& process : reports[i].report.processes)
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
size_t KnownFrames(const ReportCallSite& site) {
  return static_cast<size_t>(std::count_if(
      site.frames.begin(), site.frames.end(),
      [](const SourceFrame& frame) { return !frame.function.empty() && !frame.file.empty(); }));
}

void AddSite(ReportCallSite from, ReportCallSite* to) {
  to->processes += from.processes;
  std::vector<uint64_t> ids;
  std::set_union(to->ids.begin(), to->ids.end(), from.ids.begin(), from.ids.end(),
                 std::back_inserter(ids));
  to->ids = std::move(ids);
  to->stack_truncated |= from.stack_truncated;
  to->stack_incomplete |= from.stack_incomplete;
  to->open += from.open;
  to->opened += from.opened;
  to->closed += from.closed;
  to->failed += from.failed;
  to->peak += from.peak;
  to->in_use += from.in_use;
  to->in_use_peak += from.in_use_peak;
  to->oldest_age_ns = std::max(to->oldest_age_ns, from.oldest_age_ns);
  to->max_idle_ns = std::max(to->max_idle_ns, from.max_idle_ns);
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
double Weight(const Finding& finding) {
  return finding.evidence.empty() ? 0 : finding.evidence.front().number;
}

struct FindingGroup {
  Finding merged;
  Finding worst;
  std::string worst_host;
  std::set<std::string> hosts;
  size_t rank = 0;  // the best that it has in any report
};

class Merger {
 public:
  void Add(NamedReport named) {
    Report& report = named.report;
    sources_.push_back(
        {named.name, report.host, report.generated_realtime_ns, report.processes.size()});
    for (ReportCallSite& site : report.call_sites) {
      // What is of one host alone.
      site.connections.clear();
      site.connections_left_out = 0;
      site.busy_share.reset();
      AddCallSite(std::move(site), report.host);
    }
    for (size_t rank = 0; rank < report.findings.size(); ++rank)
      AddFinding(std::move(report.findings[rank]), rank, report.host);
    AddAnswer(report);
    std::move(report.processes.begin(), report.processes.end(), std::back_inserter(processes_));
    for (const std::string& sentence : report.incomplete)
      incomplete_.push_back(fmt::format("{}: {}", report.host, sentence));
    left_out_ += report.call_sites_left_out;
  }

  Report Finish(std::vector<std::string> incomplete) {
    Report merged;
    merged.merged = true;
    merged.findings = Findings();
    merged.call_sites = CallSites(merged.findings);
    merged.answer = AnswerOfMost();
    merged.sources = std::move(sources_);
    merged.processes = std::move(processes_);
    merged.incomplete = std::move(incomplete);
    std::move(incomplete_.begin(), incomplete_.end(), std::back_inserter(merged.incomplete));
    merged.call_sites_left_out = left_out_;
    return merged;
  }

 private:
  struct SiteGroup {
    ReportCallSite merged;
    std::set<std::string> hosts;
  };

  struct AnswerGroup {
    std::set<std::string> hosts;
    std::string sentence;  // of the report that holds most
    uint64_t open = 0;
  };

  void AddCallSite(ReportCallSite site, const std::string& host) {
    if (site.ids.empty()) site.ids = {site.id};
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

  void AddFinding(Finding finding, size_t rank, const std::string& host) {
    finding.stacks.clear();  // of one host alone
    const auto [found, fresh] = findings_.try_emplace(std::pair(finding.kind, finding.call_site));
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

  void AddAnswer(const Report& report) {
    hosts_.insert(report.host);
    uint64_t open = 0;
    for (const ReportProcess& process : report.processes) open += process.totals.open;
    open_ += open;
    if (report.answer.verdict == Answer::Verdict::kNone) return;
    AnswerGroup& group = answers_[report.answer.verdict];
    group.hosts.insert(report.host);
    if (group.sentence.empty() || open > group.open) {
      group.sentence = fmt::format("{}: {}", report.host, report.answer.sentence);
      group.open = open;
    }
  }

  std::vector<Finding> Findings() {
    std::vector<FindingGroup> groups;
    for (auto& [key, group] : findings_) groups.push_back(std::move(group));
    std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
      return std::tuple(a.rank, b.hosts.size(), Weight(b.merged)) <
             std::tuple(b.rank, a.hosts.size(), Weight(a.merged));
    });
    std::vector<Finding> findings;
    for (FindingGroup& group : groups) {
      Finding& finding = group.merged;
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

  std::vector<ReportCallSite> CallSites(const std::vector<Finding>& findings) {
    std::unordered_map<uint64_t, size_t> rank;
    for (size_t i = 0; i < findings.size(); ++i) {
      if (findings[i].call_site) rank.try_emplace(*findings[i].call_site, i);
    }
    std::vector<ReportCallSite> sites;
    for (const uint64_t id : site_order_) {
      SiteGroup& group = sites_[id];
      group.merged.hosts.assign(group.hosts.begin(), group.hosts.end());
      sites.push_back(std::move(group.merged));
    }
    const auto rank_of = [&](const ReportCallSite& site) {
      const auto found = rank.find(site.id);
      return found == rank.end() ? findings.size() : found->second;
    };
    std::stable_sort(sites.begin(), sites.end(),
                     [&](const ReportCallSite& a, const ReportCallSite& b) {
                       return std::tuple(rank_of(a), b.open, b.opened + b.failed) <
                              std::tuple(rank_of(b), a.open, a.opened + a.failed);
                     });
    return sites;
  }

  // That of most hosts; where as many say something else, that of those which hold more.
  Answer AnswerOfMost() const {
    const auto most =
        std::max_element(answers_.begin(), answers_.end(), [](const auto& a, const auto& b) {
          return std::pair(a.second.hosts.size(), a.second.open) <
                 std::pair(b.second.hosts.size(), b.second.open);
        });
    if (most == answers_.end()) {
      return {Answer::Verdict::kNone,
              fmt::format("No leak, and no limit that is too small, on any of {} host{}: {} "
                          "connections are open",
                          hosts_.size(), hosts_.size() == 1 ? "" : "s", open_)};
    }
    return {most->first,
            fmt::format("On {} of {} host{}, as on {}", most->second.hosts.size(), hosts_.size(),
                        hosts_.size() == 1 ? "" : "s", most->second.sentence)};
  }

  std::vector<ReportSource> sources_;
  std::vector<ReportProcess> processes_;
  std::unordered_map<uint64_t, SiteGroup> sites_;  // by id
  std::vector<uint64_t> site_order_;
  std::map<std::pair<std::string, std::optional<uint64_t>>, FindingGroup> findings_;
  std::map<Answer::Verdict, AnswerGroup> answers_;
  std::set<std::string> hosts_;
  std::vector<std::string> incomplete_;
  uint64_t open_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace

Report Merge(std::vector<NamedReport> reports, std::vector<std::string> incomplete,
             const Occasion& occasion) {
  Merger merger;
  reports = WithoutOverlaps(std::move(reports), &incomplete);
  UseCommonIds(&reports);
  for (NamedReport& report : reports) merger.Add(std::move(report));
  Report merged = merger.Finish(std::move(incomplete));
  merged.generated_realtime_ns = occasion.realtime_ns;
  merged.host = occasion.host;
  return merged;
}

void KeepTop(uint64_t top, Report* report) {
  if (report->call_sites.size() <= top) return;
  report->call_sites_left_out += report->call_sites.size() - top;
  report->call_sites.resize(top);
}

}  // namespace pqleash::reporter
