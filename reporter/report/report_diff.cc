// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/report_diff.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/call_sites/told_apart.h"

namespace pqleash::reporter {
namespace {

struct Site {
  SiteCounts counts;
  std::string place;
};

std::string PlaceOf(const ReportCallSite& site) {
  return site.headline ? DescribeSite(site.frames, site.headline, site.caller)
                       : std::string("a place that was not recorded");
}

// A call site that stands for several ids has the smallest as its own, and a later report may know
// one that is smaller still. Gives both reports the earlier one's name for each such call site.
void UseIdsOf(const Report& before, Report* after) {
  std::map<uint64_t, uint64_t> names;
  for (const ReportCallSite& site : before.call_sites) {
    names.emplace(site.id, site.id);
    for (const uint64_t id : site.ids) names.emplace(id, site.id);
  }
  std::map<uint64_t, uint64_t> renamed;
  for (ReportCallSite& site : after->call_sites) {
    auto known = names.find(site.id);
    for (const uint64_t id : site.ids) {
      if (known == names.end()) known = names.find(id);
    }
    if (known == names.end() || known->second == site.id) continue;
    renamed.emplace(site.id, known->second);
    site.id = known->second;
  }
  for (Finding& finding : after->findings) {
    if (!finding.call_site) continue;
    const auto name = renamed.find(*finding.call_site);
    if (name != renamed.end()) finding.call_site = name->second;
  }
}

std::map<uint64_t, Site> SitesOf(const Report& report) {
  std::map<uint64_t, Site> sites;
  for (const ReportCallSite& saved : report.call_sites) {
    Site& site = sites[saved.id];
    site.counts.open += saved.open;
    site.counts.failed += saved.failed;
    site.counts.opened += saved.opened;
    site.place = PlaceOf(saved);
  }
  return sites;
}

using FindingKey = std::pair<std::string, std::optional<uint64_t>>;  // kind, call site

// Without those that an audit had suppressed.
std::vector<Finding> FindingsOf(const SavedReport& saved) {
  std::vector<Finding> findings;
  for (size_t i = 0; i < saved.report.findings.size(); ++i) {
    if (!saved.Suppressed(i)) findings.push_back(saved.report.findings[i]);
  }
  return findings;
}

// Those of `in` that `other` has fewer of, in their order.
std::vector<Finding> OnlyIn(const std::vector<Finding>& in, const std::vector<Finding>& other) {
  std::map<FindingKey, uint64_t> others;
  for (const Finding& finding : other) ++others[{finding.kind, finding.call_site}];
  std::vector<Finding> only;
  for (const Finding& finding : in) {
    uint64_t& same = others[{finding.kind, finding.call_site}];
    if (same == 0) {
      only.push_back(finding);
    } else {
      --same;
    }
  }
  return only;
}

DiffSide SideOf(const Report& report, const std::string& path) {
  DiffSide side;
  side.path = path;
  side.generated_realtime_ns = report.generated_realtime_ns;
  side.host = report.host;
  side.processes = report.processes.size();
  side.incomplete = report.incomplete;
  side.call_sites_left_out = report.call_sites_left_out;
  for (const auto& [id, site] : SitesOf(report)) {
    side.open += site.counts.open;
    side.opened += site.counts.opened;
  }
  return side;
}

uint64_t Distance(const SiteDiff& diff) {
  const auto [small, large] = std::minmax(diff.before.open, diff.after.open);
  return large - small;
}

std::vector<SiteDiff> DiffSites(const Report& before, const Report& after, uint64_t* unchanged) {
  const auto old_sites = SitesOf(before);
  const auto new_sites = SitesOf(after);
  std::vector<SiteDiff> diffs;
  for (const auto& [id, site] : new_sites) {
    const auto old_site = old_sites.find(id);
    if (old_site == old_sites.end()) {
      diffs.push_back({SiteChange::kNew, id, site.place, {}, site.counts});
    } else if (old_site->second.counts == site.counts) {
      ++*unchanged;
    } else {
      const SiteCounts& counts = old_site->second.counts;
      diffs.push_back({counts < site.counts ? SiteChange::kGrown : SiteChange::kShrunk, id,
                       site.place, counts, site.counts});
    }
  }
  for (const auto& [id, site] : old_sites) {
    if (!new_sites.contains(id))
      diffs.push_back({SiteChange::kGone, id, site.place, site.counts, {}});
  }
  std::stable_sort(diffs.begin(), diffs.end(), [](const SiteDiff& a, const SiteDiff& b) {
    return std::tuple(a.change, Distance(b)) < std::tuple(b.change, Distance(a));
  });
  return diffs;
}

}  // namespace

ReportDiff Diff(const SavedReport& before, const std::string& before_path, const SavedReport& later,
                const std::string& after_path) {
  SavedReport after = later;
  UseIdsOf(before.report, &after.report);
  const std::vector<Finding> old_findings = FindingsOf(before);
  const std::vector<Finding> findings = FindingsOf(after);
  ReportDiff diff;
  diff.before = SideOf(before.report, before_path);
  diff.after = SideOf(after.report, after_path);
  diff.call_sites = DiffSites(before.report, after.report, &diff.unchanged_call_sites);
  diff.new_findings = OnlyIn(findings, old_findings);
  std::vector<Finding> missing = OnlyIn(old_findings, findings);
  const Answer& answer = after.report.answer;
  if (answer.verdict == Answer::Verdict::kEarly || answer.verdict == Answer::Verdict::kUnobserved) {
    diff.not_judged_findings = std::move(missing);
    diff.why_not_judged = answer.sentence;
  } else {
    diff.gone_findings = std::move(missing);
  }
  diff.unchanged_findings = findings.size() - diff.new_findings.size();
  return diff;
}

}  // namespace pqleash::reporter
