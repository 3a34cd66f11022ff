// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/report_diff.h"

#include <algorithm>
#include <map>
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

std::string PlaceOf(const SavedCallSite& site) {
  return site.headline ? DescribeSite(site.frames, site.headline, site.caller)
                       : std::string("a place that was not recorded");
}

// A call site that stands for several ids has the smallest as its own, and a later report may know
// one that is smaller still. Gives both reports the earlier one's name for each such call site.
void UseIdsOf(const SavedReport& before, SavedReport* after) {
  std::map<std::string, std::string> names;
  for (const SavedCallSite& site : before.call_sites) {
    names.emplace(site.id, site.id);
    for (const std::string& id : site.ids) names.emplace(id, site.id);
  }
  std::map<std::string, std::string> renamed;
  for (SavedCallSite& site : after->call_sites) {
    auto known = names.find(site.id);
    for (const std::string& id : site.ids) {
      if (known == names.end()) known = names.find(id);
    }
    if (known == names.end() || known->second == site.id) continue;
    renamed.emplace(site.id, known->second);
    site.id = known->second;
  }
  for (SavedFinding& finding : after->findings) {
    if (!finding.call_site) continue;
    const auto name = renamed.find(*finding.call_site);
    if (name != renamed.end()) finding.call_site = name->second;
  }
}

std::map<std::string, Site> SitesOf(const SavedReport& report) {
  std::map<std::string, Site> sites;
  for (const SavedCallSite& saved : report.call_sites) {
    Site& site = sites[saved.id];
    site.counts.open += saved.open;
    site.counts.failed += saved.failed;
    site.counts.opened += saved.opened;
    site.place = PlaceOf(saved);
  }
  return sites;
}

using FindingKey = std::pair<std::string, std::string>;  // kind, call site

std::map<FindingKey, std::vector<const SavedFinding*>> FindingsOf(const SavedReport& report) {
  std::map<FindingKey, std::vector<const SavedFinding*>> findings;
  for (const SavedFinding& finding : report.findings) {
    if (finding.standing != "suppressed")
      findings[{finding.kind, finding.call_site.value_or("")}].push_back(&finding);
  }
  return findings;
}

// Those of `in` that `other` has fewer of, in the order of their report.
std::vector<SavedFinding> OnlyIn(const SavedReport& in, const SavedReport& other) {
  auto others = FindingsOf(other);
  std::vector<SavedFinding> only;
  for (const SavedFinding& finding : in.findings) {
    if (finding.standing == "suppressed") continue;
    auto& same = others[{finding.kind, finding.call_site.value_or("")}];
    if (same.empty()) {
      only.push_back(finding);
    } else {
      same.pop_back();
    }
  }
  return only;
}

DiffSide SideOf(const SavedReport& report, const std::string& path) {
  DiffSide side;
  side.path = path;
  side.generated_at = report.generated_at;
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

std::vector<SiteDiff> DiffSites(const SavedReport& before, const SavedReport& after,
                                uint64_t* unchanged) {
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
  UseIdsOf(before, &after);
  ReportDiff diff;
  diff.before = SideOf(before, before_path);
  diff.after = SideOf(after, after_path);
  diff.call_sites = DiffSites(before, after, &diff.unchanged_call_sites);
  diff.new_findings = OnlyIn(after, before);
  std::vector<SavedFinding> missing = OnlyIn(before, after);
  if (after.verdict == "early" || after.verdict == "unobserved") {
    diff.not_judged_findings = std::move(missing);
    diff.why_not_judged = after.answer;
  } else {
    diff.gone_findings = std::move(missing);
  }
  const auto findings = static_cast<uint64_t>(
      std::count_if(after.findings.begin(), after.findings.end(),
                    [](const SavedFinding& finding) { return finding.standing != "suppressed"; }));
  diff.unchanged_findings = findings - diff.new_findings.size();
  return diff;
}

}  // namespace pqleash::reporter
