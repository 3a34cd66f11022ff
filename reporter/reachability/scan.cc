// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/scan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>

#include "reporter/reachability/beside_memory.h"
#include "reporter/reachability/candidates.h"
#include "reporter/reachability/lost_owners.h"
#include "reporter/reachability/memory_pass.h"
#include "reporter/reachability/module_images.h"
#include "reporter/reachability/parked_stacks.h"
#include "reporter/reachability/process_view.h"
#include "reporter/reachability/references.h"
#include "reporter/reachability/threads.h"
#include "reporter/snapshot/ledger_reader.h"

namespace pqleash::reporter {
namespace {

// An address that the program moves to and fro can be passed over: a pass sees it in neither place
// with a chance of one in four or less. After kPasses nothing is left of that.
constexpr uint64_t kMinPasses = 2;
constexpr uint64_t kPasses = 14;
constexpr useconds_t kPause = 1'500;  // microseconds between passes, longer than a step of most
// Words that lead into unused parts of stacks. Of more, none is told from a coroutine's.
constexpr size_t kMaxWordsToStacks = 1 << 20;

// The same connection, whatever was done with it.
bool IsSame(const Connection& before, const Connection& after) {
  return before.handle == after.handle && before.opened_ns == after.opened_ns;
}

// Whether nothing was done with it between two looks at the ledger.
bool Untouched(const Connection& before, const Connection& after) {
  const auto key = [](const Connection& c) {
    return std::tuple(c.state, c.handle, c.tid, c.backend_pid, c.opened_ns, c.established_ns,
                      c.last_activity_ns, c.commands, c.resets, c.transaction);
  };
  return key(before) == key(after) && after.in_call.empty();
}

// Connections of the process as they are after the search, by handle.
class After {
 public:
  explicit After(const Snapshot& snapshot) {
    by_handle_.reserve(snapshot.connections.size());
    for (const Connection& connection : snapshot.connections) {
      by_handle_.emplace(connection.handle, &connection);
    }
  }

  // Whether there is one with the handle of `before` that `same` holds for.
  template <typename Same>
  bool Has(const Connection& before, Same same) const {
    const auto [first, last] = by_handle_.equal_range(before.handle);
    return std::any_of(first, last, [&](const auto& entry) { return same(before, *entry.second); });
  }

 private:
  std::unordered_multimap<uint64_t, const Connection*> by_handle_;
};

class ProcessScan {
 public:
  ProcessScan(const Snapshot& snapshot, const ScanOptions& options, Symboliser* symboliser)
      : snapshot_(snapshot),
        options_(options),
        deadline_(std::chrono::duration_cast<Deadline::Clock::duration>(options.time)),
        symboliser_(symboliser),
        view_(snapshot),
        references_(snapshot, &view_, &candidates_) {}

  ScanResult Run() {
    if (std::none_of(snapshot_.connections.begin(), snapshot_.connections.end(), MayBeJudged)) {
      return {};
    }
    if (snapshot_.process.private_size == 0) {
      return Refuse("its ledger does not say where the library's own memory is");
    }
    if (std::string error = view_.Refresh(); !error.empty()) return Refuse(error);
    candidates_.Choose(snapshot_, view_);
    judged_ = candidates_.all().size();
    while (NeedsPass() && Pass()) {
      // What the kernel has, what the registers hold and where coroutines are parked is asked for
      // once, after the memory has said what there is to ask for.
      if (passes_ == kMinPasses && candidates_.Open() != 0) {
        LookBeside();
        LookAtParkedStacks();
      }
      if (candidates_.Open() != 0 && passes_ < kPasses) usleep(kPause + passes_ * 137);
    }
    if (options_.lost_owners && view_.reader().refused() == 0 && !deadline_.HalfOver()) {
      owners_ = FindLostOwners(
          snapshot_, {static_cast<uint64_t>(options_.owner_idle.count()), options_.all_registers},
          deadline_, &view_, &candidates_, &references_);
    }
    return Finish();
  }

 private:
  ScanResult Refuse(const std::string& why) const {
    const Process& process = snapshot_.process;
    return {{},
            {fmt::format("process {} ({}): its memory was not searched for lost connections: {}",
                         view_.pid(), process.service, why)}};
  }

  bool NeedsPass() {
    if (candidates_.Open() == 0 || passes_ >= kPasses || view_.reader().refused() != 0 ||
        deadline_.Over())
      return false;
    // Many passes over much memory would take long: half of the time must do.
    return passes_ < kMinPasses + 1 || !deadline_.HalfOver();
  }

  // False: there is no use in another.
  bool Pass() {
    if (passes_ > 0 && !view_.Refresh().empty()) return false;
    const std::vector<Sought> targets = candidates_.Targets(snapshot_, view_.encodings());
    if (targets.empty()) return false;
    references_.BeginPass();
    const PassResult result =
        PassOver(&view_, RangesOf(targets), {&deadline_, passes_ % 2 != 0, options_.progress},
                 [&](size_t target, uint64_t location, uint64_t) {
                   for (const Owner& owner : targets[target].owners)
                     references_.Note(owner, location);
                 });
    ns_ += result.ns;
    bytes_ = std::max(bytes_, result.bytes);
    unread_shared_ = result.unread_shared;
    if (!result.complete) return false;
    ++passes_;
    references_.Resolve(deadline_);
    return true;
  }

  void LookBeside() {
    const std::vector<Sought> targets = candidates_.Targets(snapshot_, view_.encodings());
    missing_ = LookBesideMemory(&view_, RangesOf(targets), options_.all_registers,
                                [&](size_t target, const std::string& where) {
                                  for (const Owner& owner : targets[target].owners) {
                                    candidates_[owner.candidate].HoldBy(where);
                                  }
                                });
  }

  // Words in parts of stacks that their threads do not use are references of coroutines that are
  // parked there.
  void LookAtParkedStacks() {
    const auto has_some = [](const Candidate& candidate) {
      return !candidate.held && !candidate.in_unused_stacks.empty();
    };
    if (std::none_of(candidates_.all().begin(), candidates_.all().end(), has_some)) return;
    std::vector<AddressRange> unused;
    for (const UnusedStack& stack : view_.unused_stacks()) {
      if (stack.range.size() != 0) unused.push_back(stack.range);
    }
    unused = Merged(std::move(unused));
    std::vector<WordToStack> words;
    const PassResult result = PassOver(
        &view_, unused, {&deadline_, false, {}}, [&](size_t, uint64_t location, uint64_t address) {
          if (words.size() >= kMaxWordsToStacks || view_.OfEndedThread(location)) return;
          const bool in_stack = PlaceOf(view_.parts(), location) == Place::kStack;
          words.push_back({location, address, in_stack});
        });
    std::erase_if(words, [&](const WordToStack& word) {
      return !word.in_stack && view_.blocks().IsFree(word.location);
    });
    std::vector<uint64_t> from =
        ParkedFrom(unused, words,
                   {[this](uint64_t address) { return view_.memory().WordOrZero(address); },
                    [this](uint64_t address) { return view_.IsCode(address); }});
    if (!result.complete || words.size() >= kMaxWordsToStacks) from.assign(unused.size(), 0);
    for (Candidate& candidate : candidates_.all()) {
      if (candidate.held) continue;
      for (const uint64_t address : candidate.in_unused_stacks) {
        for (size_t i = 0; i < unused.size(); ++i) {
          if (unused[i].Contains(address) && address >= from[i]) {
            candidate.Hold(Place::kStack, address);
          }
        }
      }
    }
  }

  ScanResult Finish() {
    if (view_.reader().refused() != 0 || !view_.IsSameProcess()) {
      return Refuse(
          WhyRefused(view_.pid(), view_.IsSameProcess() ? view_.reader().refused() : ESRCH));
    }
    LedgerResult again = ReadLedger(AT_FDCWD, snapshot_.process.ledger, snapshot_.process.ledger);
    if (const auto* error = std::get_if<LedgerError>(&again)) return Refuse(error->sentence);
    const After after(std::get<Snapshot>(again));

    ScanResult result;
    result.reachability = {
        std::vector<ConnectionReach>(snapshot_.connections.size(), {Reach::kNotJudged, {}, {}}),
        bytes_, passes_, view_.reader().bytes_read(), ns_};
    uint64_t unfinished = 0;
    for (const Candidate& candidate : candidates_.all()) {
      if (!after.Has(snapshot_.connections[candidate.connection], Untouched)) continue;
      if (!candidate.held && !IsReliable(candidate, after)) continue;
      ConnectionReach& reach = result.reachability.connections[candidate.connection];
      if (candidate.held) {
        reach = {Reach::kHeld, Where(candidate), {}};
      } else if (candidate.clean_passes < kMinPasses) {
        ++unfinished;
      } else {
        reach = Lost();
      }
    }
    for (const LostOwner& lost : owners_) {
      const size_t connection = candidates_[lost.candidate].connection;
      ConnectionReach& reach = result.reachability.connections[connection];
      if (reach.reach != Reach::kHeld) continue;
      reach = {Reach::kOwnerLost, DescribeOwner(lost.owners.front()), lost.missing};
    }
    if (unfinished != 0) {
      result.incomplete.push_back(fmt::format(
          "process {} ({}): the time for the search for lost connections was over before {} of {} "
          "were found, or missed twice; give more with --scan-time",
          view_.pid(), snapshot_.process.service, unfinished, judged_));
    }
    return result;
  }

  // Memory of a connection that is gone may be the program's now.
  bool IsReliable(const Candidate& candidate, const After& after) const {
    return std::all_of(candidate.relies_on.begin(), candidate.relies_on.end(), [&](size_t index) {
      return index == kNoConnection || after.Has(snapshot_.connections[index], IsSame);
    });
  }

  std::string Where(const Candidate& candidate) const {
    if (!candidate.held_by.empty()) return candidate.held_by;
    return DescribePlace(view_.parts(), candidate.held_at, view_.pid(), snapshot_.process.exe,
                         symboliser_);
  }

  // 'object of Session, 48 bytes at 0x…': an object with virtual functions begins with a pointer
  // into the table of its class (Itanium C++ ABI, 2.5.2).
  std::string DescribeOwner(const AddressRange& owner) {
    const uint64_t table = view_.memory().WordOrZero(owner.begin);
    std::string what = "block";
    constexpr std::string_view kTable = "vtable for ";
    if (ImageAt(view_.parts().images, table) != nullptr) {
      const std::string global =
          DescribePlace(view_.parts(), table, view_.pid(), snapshot_.process.exe, symboliser_);
      const size_t name = global.find(kTable);
      if (name != std::string::npos) {
        what = "object of " + global.substr(name + kTable.size(), global.find_first_of("+(", name) -
                                                                      name - kTable.size());
      }
    }
    while (what.ends_with(' ')) what.pop_back();
    return fmt::format("{} on the heap, {} bytes at {:#x}", what, owner.size(), owner.begin);
  }

  // Anonymous memory without access (mprotect(2) with PROT_NONE): a program may open it again. What
  // an allocator or a runtime has reserved is so, too, and has no pages. More than a gigabyte is
  // not asked for its pages.
  std::vector<AddressRange> ClosedMemory() const {
    constexpr uint64_t kMostAsked = uint64_t{1} << 30;
    std::vector<AddressRange> closed;
    for (const Mapping& mapping : view_.parts().mappings) {
      if (!mapping.readable && IsAnonymous(mapping) && mapping.path.empty() &&
          mapping.range.size() <= kMostAsked) {
        closed.push_back(mapping.range);
      }
    }
    return closed;
  }

  ConnectionReach Lost() {
    std::string missing = missing_;
    if (missing.empty() && unread_shared_ != 0) {
      missing = fmt::format("{} KiB of its shared memory are not in memory, and were not read",
                            unread_shared_ / 1024);
    }
    if (missing.empty()) {
      if (const uint64_t closed = view_.reader().PresentBytes(ClosedMemory()); closed != 0)
        missing = fmt::format(
            "{} KiB of its memory are closed to itself at this time, and were not "
            "read",
            closed / 1024);
    }
    if (missing.empty()) return {Reach::kLostProven, {}, {}};
    return {Reach::kLostLikely, {}, std::move(missing)};
  }

  const Snapshot& snapshot_;
  const ScanOptions options_;
  const Deadline deadline_;
  Symboliser* symboliser_;
  ProcessView view_;
  Candidates candidates_;
  References references_;
  std::vector<LostOwner> owners_;
  size_t judged_ = 0;
  uint64_t passes_ = 0;
  uint64_t bytes_ = 0;  // of one pass
  uint64_t ns_ = 0;     // of all passes
  uint64_t unread_shared_ = 0;
  std::string missing_;  // what could not be looked at; empty: nothing
};

}  // namespace

ScanResult ScanProcess(const Snapshot& snapshot, const ScanOptions& options,
                       Symboliser* symboliser) {
  return ProcessScan(snapshot, options, symboliser).Run();
}

}  // namespace pqleash::reporter
