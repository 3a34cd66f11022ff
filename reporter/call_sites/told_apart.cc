// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/told_apart.h"

#include <map>
#include <utility>

namespace pqleash::reporter {
namespace {

struct Way {
  CallSiteGroup* group;
  size_t at;  // index of the frame that was compared last
};

// The next frame further out that says something: of a script, one of a script.
size_t Outwards(const std::vector<SourceFrame>& frames, size_t from) {
  const bool script = frames[from].language != Language::kNative;
  for (size_t i = from + 1; i < frames.size(); ++i) {
    if (!script || frames[i].language != Language::kNative) return i;
  }
  return frames.size();
}

// All of `ways` look the same up to where they are. As deep as a stack at most.
void Split(std::vector<Way> ways) {
  while (ways.size() > 1) {
    std::map<std::string, std::vector<Way>> next;
    for (const Way& way : ways) {
      const std::vector<SourceFrame>& frames = way.group->frames;
      const size_t at = Outwards(frames, way.at);
      // At its end: the others go on, or it differs from one in nothing that is shown.
      if (at == frames.size()) continue;
      next[DescribeFrame(&frames[at])].push_back({way.group, at});
    }
    if (next.size() == 1 && next.begin()->second.size() == ways.size()) {
      ways = std::move(next.begin()->second);
      continue;
    }
    for (auto& [name, same] : next) {
      for (const Way& way : same) way.group->caller = way.at;
      Split(std::move(same));
    }
    return;
  }
}

}  // namespace

void TellApart(const std::vector<std::string>& library_paths, std::vector<CallSiteGroup>* groups) {
  std::map<std::string, std::vector<Way>> by_headline;
  for (CallSiteGroup& group : *groups) {
    group.caller.reset();
    const SourceFrame* headline = HeadlineFrame(group.frames, library_paths);
    if (headline == nullptr) continue;
    by_headline[DescribeFrame(headline)].push_back(
        {&group, static_cast<size_t>(headline - group.frames.data())});
  }
  for (auto& [name, ways] : by_headline) Split(std::move(ways));
}

std::string DescribeSite(const std::vector<SourceFrame>& frames, std::optional<size_t> headline,
                         std::optional<size_t> caller) {
  if (!headline || *headline >= frames.size()) return {};
  std::string text = DescribeFrame(&frames[*headline]);
  if (caller && *caller < frames.size()) text += ", called by " + DescribeFrame(&frames[*caller]);
  return text;
}

}  // namespace pqleash::reporter
