// SPDX-License-Identifier: Apache-2.0
//
// Connections of many processes, by the code that opened them.

#ifndef PQLEASH_REPORTER_CALL_SITES_CALL_SITE_GROUP_H_
#define PQLEASH_REPORTER_CALL_SITES_CALL_SITE_GROUP_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/snapshot/snapshot.h"
#include "reporter/symbols/source_frame.h"
#include "reporter/symbols/symboliser.h"
#include "reporter/words/progress.h"

namespace pqleash::reporter {

// A call site of one snapshot: indexes.
struct CallSiteMember {
  size_t snapshot = 0;
  size_t call_site = 0;
};

struct GroupedConnection {
  size_t snapshot = 0;
  size_t connection = 0;
};

// One call site in all the processes that have it: the id is the same in every process of one
// build.
struct CallSiteGroup {
  uint64_t id = 0;  // 0: what could not be attributed
  // All that it is known by, `id` the first of them: see MergeSameStacks.
  std::vector<uint64_t> ids;
  uint64_t open = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t failed = 0;
  // Sum of each process's largest number: the most that can have been open at once.
  uint64_t peak = 0;
  uint64_t in_use = 0;
  uint64_t in_use_peak = 0;  // as `peak`
  uint64_t opened_beside_idle = 0;
  uint64_t busy_ns = 0;  // sum of all uses, those that run included
  uint64_t held_ns = 0;  // sum of the times that its connections were established
  bool stack_truncated = false;
  bool stack_incomplete = false;
  std::vector<CallSiteMember> members;
  std::vector<GroupedConnection> connections;
  std::vector<SourceFrame> frames;  // innermost first; empty until SymboliseCallSites
  std::optional<size_t> caller;     // index into `frames`: see TellApart
};

// Whether anything was connected there. Otherwise connections were only taken up there, or used
// that another process had opened.
inline bool Connects(const CallSiteGroup& group) {
  return group.opened != 0 || group.failed != 0 || group.open != 0 || !group.connections.empty();
}

// The group with that id; nullptr: there is none. `groups` in order of id.
const CallSiteGroup* GroupOf(const std::vector<CallSiteGroup>& groups, uint64_t id);

// One group for each call site, in order of id. Pure. Refers to `snapshots` by index.
std::vector<CallSiteGroup> GroupCallSites(const std::vector<Snapshot>& snapshots);

// Frames that one report holds; ledgers may name the same frames over and over.
inline constexpr size_t kMaxReportFrames = 400'000;

// Fills in `frames`, from the first living member where there is one, since its files are the
// likeliest to be at hand.
// Returns the number of call sites that were left without, since there would be more than
// `max_frames` in all. `progress` is told of frames.
[[nodiscard]] uint64_t SymboliseCallSites(const std::vector<Snapshot>& snapshots,
                                          Symboliser* symboliser,
                                          std::vector<CallSiteGroup>* groups,
                                          const Progress& progress = {},
                                          size_t max_frames = kMaxReportFrames);

// Whether callers of its innermost frames were not recorded: of a script, of its frames. Pure.
bool CallersWereCut(const CallSiteGroup& group);

// The frame to name a call site by, see headline.h; `library_paths` are the user's globs. nullptr:
// no frames. Pure.
const SourceFrame* HeadlineFrame(const std::vector<SourceFrame>& frames,
                                 const std::vector<std::string>& library_paths = {});

// A function's name for people: where it is longer than `columns` bytes, its parameters become
// '...'. Not escaped.
std::string ShortFunction(const std::string& function, size_t columns);

// 'function (file:line)', 'module+0x12' or 'code at 0x12'; '' for no frame. Not escaped.
std::string DescribeFrame(const SourceFrame* frame);

// 'module+0x12' or 'address 0x12'. Not escaped.
std::string DescribePlace(const SourceFrame& frame);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CALL_SITES_CALL_SITE_GROUP_H_
