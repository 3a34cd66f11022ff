// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/lost_owners.h"

#include <algorithm>
#include <map>
#include <utility>

#include "reporter/reachability/beside_memory.h"
#include "reporter/reachability/chunk_walk.h"
#include "reporter/reachability/threads.h"
#include "reporter/snapshot/connection_times.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kMaxWords = 4'096;  // that lead to one connection and its owners
constexpr size_t kCleanPasses = 2;   // a reference that is moved can be passed over by one

// A word that leads to the connection, or to one of its owners.
struct Word {
  uint64_t location = 0;
  bool to_conn = false;
};

// A connection that may turn out to be held.
struct Suspect {
  size_t candidate = 0;
  std::vector<AddressRange> owners;
  std::vector<Word> words;  // of the present pass
  size_t clean_passes = 0;
  bool held = false;

  bool Open() const { return !held && clean_passes < kCleanPasses; }
};

class Search {
 public:
  Search(const Snapshot& snapshot, uint64_t min_idle_ns, const Deadline& deadline,
         ProcessView* view, Candidates* candidates, References* references)
      : snapshot_(snapshot),
        deadline_(deadline),
        view_(view),
        candidates_(candidates),
        references_(references) {
    for (size_t i = 0; i < candidates->all().size(); ++i) {
      const Candidate& candidate = (*candidates)[i];
      const Connection& connection = snapshot.connections[candidate.connection];
      if (candidate.held && candidate.held_by.empty() && candidate.place == Place::kHeap &&
          connection.state == ConnectionState::kEstablished &&
          IdleNs(connection, snapshot.as_of_ns) >= min_idle_ns &&
          suspects_.size() < kMaxOwnedConnections) {
        suspects_.push_back({i, {}, {}, 0, false});
      }
    }
  }

  std::vector<LostOwner> Run(bool all_registers) {
    for (size_t pass = 0; pass < kMaxOwnerPasses && AnyOpen(); ++pass) {
      if (!Pass(pass % 2 != 0)) return {};
    }
    std::erase_if(suspects_,
                  [](const Suspect& s) { return s.held || s.clean_passes < kCleanPasses; });
    if (suspects_.empty()) return {};
    std::string missing = LookBeside(all_registers);
    std::vector<LostOwner> lost;
    for (Suspect& suspect : suspects_) {
      if (!suspect.held) lost.push_back({suspect.candidate, std::move(suspect.owners), missing});
    }
    return lost;
  }

 private:
  bool AnyOpen() const {
    return std::any_of(suspects_.begin(), suspects_.end(),
                       [](const Suspect& suspect) { return suspect.Open(); });
  }

  // Owner::candidate is an index into suspects_ here.
  std::vector<Sought> Targets() const {
    std::vector<Sought> targets;
    for (size_t i = 0; i < suspects_.size(); ++i) {
      const Suspect& suspect = suspects_[i];
      if (suspect.held) continue;
      const Candidate& candidate = (*candidates_)[suspect.candidate];
      targets.push_back({PointedTo(candidate.block), {{i}}});
      const uint64_t handle = snapshot_.connections[candidate.connection].handle;
      for (const uint64_t form : EncodedForms(handle, view_->encodings())) {
        targets.push_back({{form, form + 1}, {{i}}});
      }
      for (const AddressRange& owner : suspect.owners) {
        targets.push_back({PointedTo(owner), {{i, true}}});
      }
    }
    return Joined(std::move(targets));
  }

  // False: the time was over, or the memory cannot be read.
  bool Pass(bool backwards) {
    if (!view_->Refresh().empty()) return false;
    references_->BeginPass();
    for (Suspect& suspect : suspects_) suspect.words.clear();
    const std::vector<Sought> targets = Targets();
    const PassResult result = PassOver(view_, RangesOf(targets), {&deadline_, backwards, {}},
                                       [&](size_t target, uint64_t location, uint64_t) {
                                         for (const Owner& owner : targets[target].owners) {
                                           Suspect& suspect = suspects_[owner.candidate];
                                           suspect.words.push_back({location, !owner.is_object});
                                           if (suspect.words.size() > kMaxWords)
                                             suspect.held = true;
                                           if (suspect.held) suspect.words.clear();
                                         }
                                       });
    if (!result.complete) return false;
    view_->memory().Forget();
    AddOwners();
    return !deadline_.Over();
  }

  // Keeps of the words those in blocks of malloc; another one holds the connection.
  void Sort(const std::vector<Thread>& threads, Suspect* suspect) {
    const AddressRange& conn = (*candidates_)[suspect->candidate].block;
    std::erase_if(suspect->words, [&](const Word& word) {
      const uint64_t at = word.location;
      if (suspect->held || conn.Contains(at) || view_->OfEndedThread(at)) return true;
      if (std::any_of(suspect->owners.begin(), suspect->owners.end(),
                      [at](const AddressRange& owner) { return owner.Contains(at); }))
        return true;
      if (const UnusedStack* unused = view_->UnusedStackAt(at)) {
        suspect->held = !view_->StoodStill(unused->tid, threads);
        return true;
      }
      if (PlaceOf(view_->parts(), at) != Place::kHeap) {
        suspect->held = true;
        return true;
      }
      return view_->blocks().IsFree(at) || (word.to_conn && references_->IsRecorded(at));
    });
  }

  void AddOwners() {
    const std::vector<Thread> threads = ListThreads(view_->pid());
    const std::vector<AddressRange>& heaps = view_->blocks().regions();
    std::vector<std::vector<uint64_t>> by_heap(heaps.size());  // addresses of words
    for (Suspect& suspect : suspects_) {
      if (suspect.held) continue;
      Sort(threads, &suspect);
      for (const Word& word : suspect.words) {
        const size_t heap =
            IndexAt(heaps, word.location, [](const AddressRange& range) { return range; });
        if (heap < heaps.size()) by_heap[heap].push_back(word.location);
      }
    }
    std::map<uint64_t, AddressRange> block_of;  // by address of a word
    for (size_t heap = 0; heap < heaps.size(); ++heap) {
      std::vector<uint64_t>& addresses = by_heap[heap];
      if (addresses.empty()) continue;
      std::sort(addresses.begin(), addresses.end());
      const auto blocks =
          BlocksWith(addresses, heaps[heap], [this](uint64_t at, void* to, size_t size) {
            return view_->reader().Read(at, to, size);
          });
      for (size_t i = 0; i < addresses.size(); ++i) {
        if (blocks[i]) block_of[addresses[i]] = *blocks[i];
      }
    }
    for (Suspect& suspect : suspects_) {
      if (!suspect.held) AddOwners(block_of, &suspect);
    }
  }

  static void AddOwners(const std::map<uint64_t, AddressRange>& block_of, Suspect* suspect) {
    const size_t before = suspect->owners.size();
    for (const Word& word : suspect->words) {
      const auto block = block_of.find(word.location);
      if (block == block_of.end()) {
        suspect->held = true;
        return;
      }
      if (std::find(suspect->owners.begin(), suspect->owners.end(), block->second) ==
          suspect->owners.end())
        suspect->owners.push_back(block->second);
    }
    suspect->held = suspect->owners.size() > kMaxOwners || suspect->owners.empty();
    suspect->clean_passes = suspect->owners.size() == before ? suspect->clean_passes + 1 : 0;
  }

  std::string LookBeside(bool all_registers) {
    const std::vector<Sought> targets = Targets();
    return LookBesideMemory(view_, RangesOf(targets), all_registers,
                            [&](size_t target, const std::string&) {
                              for (const Owner& owner : targets[target].owners) {
                                suspects_[owner.candidate].held = true;
                              }
                            });
  }

  const Snapshot& snapshot_;
  const Deadline& deadline_;
  ProcessView* view_;
  Candidates* candidates_;
  References* references_;
  std::vector<Suspect> suspects_;
};

}  // namespace

std::vector<LostOwner> FindLostOwners(const Snapshot& snapshot, const OwnerSearch& search,
                                      const Deadline& deadline, ProcessView* view,
                                      Candidates* candidates, References* references) {
  return Search(snapshot, search.min_idle_ns, deadline, view, candidates, references)
      .Run(search.all_registers);
}

}  // namespace pqleash::reporter
