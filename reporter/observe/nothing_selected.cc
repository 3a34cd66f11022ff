// SPDX-License-Identifier: Apache-2.0

#include "reporter/observe/nothing_selected.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "shim/config/values.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kNamed = 5;

// 'a (2 processes), b (1 process) and 3 more'
std::string WithCounts(const std::map<std::string, size_t>& counts) {
  std::vector<std::string> words;
  for (const auto& [service, count] : counts) {
    if (words.size() == kNamed) break;
    words.push_back(fmt::format("{} ({} process{})", service, count, count == 1 ? "" : "es"));
  }
  std::string text = fmt::format("{}", fmt::join(words, ", "));
  if (counts.size() > kNamed) text += fmt::format(" and {} more", counts.size() - kNamed);
  return text;
}

}  // namespace

std::string WhyNothingSelected(const std::vector<Snapshot>& there,
                               const std::vector<std::string>& services, const std::string& whose) {
  if (there.empty()) return fmt::format("no process{} has written a ledger here", whose);
  std::map<std::string, size_t> living;
  std::set<std::string> ended;
  for (const Snapshot& snapshot : there) {
    if (MayLive(snapshot.process.life)) {
      ++living[snapshot.process.service];
    } else {
      ended.insert(snapshot.process.service);
    }
  }
  if (services.empty()) {
    return fmt::format(
        "of {} that wrote a ledger here none lives any more; --all shows what they left",
        there.size() == 1 ? std::string("one process") : fmt::format("{} processes", there.size()));
  }
  const std::string none = fmt::format("no living process of {} has a ledger here",
                                       fmt::format("{}", fmt::join(services, ", ")));
  if (std::any_of(services.begin(), services.end(),
                  [&](const std::string& service) { return ended.contains(service); })) {
    return none + "; --all shows those that have ended";
  }
  if (living.empty()) return none + ", nor of another service";
  std::vector<std::string> names;
  for (const auto& [service, count] : living) names.push_back(service);
  const std::string nearest = config::NearestName(services.front(), names);
  return fmt::format("{}: there {} {}{}", none, living.size() == 1 ? "is" : "are",
                     WithCounts(living),
                     nearest.empty() ? "" : fmt::format("; {} may be meant", nearest));
}

}  // namespace pqleash::reporter
