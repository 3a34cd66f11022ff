// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/told_apart.h"

#include <map>
#include <utility>

#include "reporter/call_sites/application_frame.h"
#include "reporter/call_sites/headline.h"

namespace pqleash::reporter {
namespace {

// A group, and what may tell it from others: frames further out than its headline.
struct Way {
  CallSiteGroup* group = nullptr;
  std::vector<size_t> outwards;  // indexes
};

// How far groups are told apart.
enum class Until {
  kEachAlone,     // no two have the same name
  kFirstParting,  // by where they first go different ways: one name for all that go the same
};

// All of `ways` look the same up to their frame number `at`, which is the next to be compared. As
// deep as a stack at most.
void Split(std::vector<Way> ways, size_t at, Until until) {
  for (; ways.size() > 1; ++at) {
    std::map<std::string, std::vector<Way>> next;
    for (Way& way : ways) {
      // At its end: the others go on, or it differs from one in nothing that is shown.
      if (at >= way.outwards.size()) continue;
      const std::string name = DescribeFrame(&way.group->frames[way.outwards[at]]);
      next[name].push_back(std::move(way));
    }
    if (next.size() == 1 && next.begin()->second.size() == ways.size()) {
      ways = std::move(next.begin()->second);
      continue;
    }
    for (auto& [name, same] : next) {
      for (const Way& way : same) way.group->caller = way.outwards[at];
      if (until == Until::kEachAlone) Split(std::move(same), at + 1, until);
    }
    return;
  }
}

// Frames of the application's further out than `headline`.
std::vector<size_t> OwnCallers(const std::vector<SourceFrame>& frames, size_t headline,
                               const std::vector<std::string>& library_paths) {
  std::vector<size_t> own = OwnFrames(frames, library_paths);
  std::erase_if(own, [&](size_t i) { return i <= headline; });
  return own;
}

// All that say something: of a script, those of scripts.
std::vector<size_t> Callers(const std::vector<SourceFrame>& frames, size_t headline) {
  const bool script = frames[headline].language != Language::kNative;
  std::vector<size_t> callers;
  for (size_t i = headline + 1; i < frames.size(); ++i) {
    if (!script || frames[i].language != Language::kNative) callers.push_back(i);
  }
  return callers;
}

// A group and where its headline is.
struct Named {
  CallSiteGroup* group = nullptr;
  size_t headline = 0;
};

// What the application's own frames tell apart; then, of those that are left, what any tell.
void TellApart(const std::vector<Named>& same, const std::vector<std::string>& library_paths,
               Until until) {
  std::vector<Way> ways;
  for (const Named& named : same) {
    ways.push_back({named.group, OwnCallers(named.group->frames, named.headline, library_paths)});
  }
  Split(std::move(ways), 0, until);
  ways.clear();
  for (const Named& named : same) {
    if (!named.group->caller)
      ways.push_back({named.group, Callers(named.group->frames, named.headline)});
  }
  Split(std::move(ways), 0, until);
}

}  // namespace

void TellApart(const std::vector<std::string>& library_paths, std::vector<CallSiteGroup>* groups) {
  // Places that connect apart from those that only take up.
  std::map<std::pair<bool, std::string>, std::vector<Named>> by_headline;
  std::vector<std::pair<CallSiteGroup*, size_t>> in_loops;
  for (CallSiteGroup& group : *groups) {
    group.caller.reset();
    const std::optional<Headline> headline = HeadlineOf(group.frames, library_paths);
    if (!headline) continue;
    by_headline[{Connects(group), DescribeFrame(&group.frames[headline->frame])}].push_back(
        {&group, headline->frame});
    if (headline->caller) in_loops.emplace_back(&group, *headline->caller);
  }
  for (const auto& [name, same] : by_headline) {
    if (same.size() < 2) continue;
    TellApart(same, library_paths, name.first ? Until::kEachAlone : Until::kFirstParting);
  }
  for (const auto& [group, caller] : in_loops) {
    if (!group->caller) group->caller = caller;
  }
}

std::string DescribeSite(const std::vector<SourceFrame>& frames, std::optional<size_t> headline,
                         std::optional<size_t> caller) {
  if (!headline || *headline >= frames.size()) return {};
  std::string text = DescribeFrame(&frames[*headline]);
  if (caller && *caller < frames.size()) text += ", called by " + DescribeFrame(&frames[*caller]);
  return text;
}

}  // namespace pqleash::reporter
