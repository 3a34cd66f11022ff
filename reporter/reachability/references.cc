// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/references.h"

#include <algorithm>
#include <utility>

#include "reporter/reachability/threads.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kMaxPending = 8'192;  // references to one connection that are looked at closely
constexpr size_t kMaxLeading = 4'096;  // blocks whose references are looked for, of one connection

bool AnyContains(const std::vector<AddressRange>& ranges, uint64_t address) {
  return IndexAt(ranges, address, [](const AddressRange& range) { return range; }) < ranges.size();
}

}  // namespace

void References::BeginPass() {
  recorded_.reset();
  for (Candidate& candidate : candidates_->all()) {
    candidate.pending.clear();
    candidate.in_unused_stacks.clear();
  }
}

// Two bytes in front of the digit are the end of the number of digits: 1, or 8 since 3.12. A
// pointer behind any other word looks the same, but is a word with zeroes above, which is found
// as such.
bool References::IsPythonDigit(uint64_t address) {
  const uint64_t digit = address + 2;
  if (digit % 8 != 0) return false;
  const uint64_t count = view_->memory().WordOrZero(digit - 8);
  return (count == 1 || count == 8) && view_->memory().WordOrZero(digit) >> 32 != 0;
}

void References::Note(const Owner& owner, uint64_t address) {
  if (owner.is_digit && !IsPythonDigit(address)) return;
  Candidate& candidate = (*candidates_)[owner.candidate];
  if (candidate.block.Contains(address)) return;
  if (owner.is_object && AnyContains(candidate.leading, address)) return;
  if (view_->OfEndedThread(address)) return;
  if (const UnusedStack* unused = view_->UnusedStackAt(address)) {
    Postpone(&candidate, {address, owner.is_object, unused->tid});
    return;
  }
  const Place place = PlaceOf(view_->parts(), address);
  if (place == Place::kHeap || (owner.is_object && view_->InOpenSsl(address))) {
    Postpone(&candidate, {address, owner.is_object, 0});
  } else {
    candidate.Hold(place, address);
  }
}

void References::Postpone(Candidate* candidate, const Pending& pending) {
  if (candidate->pending.size() < kMaxPending) {
    candidate->pending.push_back(pending);
  } else {
    candidate->Hold(pending.unused_of != 0 ? Place::kStack : Place::kHeap, pending.address);
  }
}

void References::Resolve(const Deadline& deadline) {
  view_->memory().Forget();
  const std::vector<Thread> threads = ListThreads(view_->pid());
  for (Candidate& candidate : candidates_->all()) {
    if (candidate.held) continue;
    // Words in blocks of this connection, and in those of others.
    std::vector<uint64_t> own;
    std::vector<Pending> others;
    for (const Pending& pending : candidate.pending) {
      if (candidate.held) break;
      if (deadline.Over()) return;
      if (pending.unused_of == 0) {
        Judge(&candidate, pending, &own, &others);
      } else if (view_->StoodStill(pending.unused_of, threads)) {
        candidate.in_unused_stacks.push_back(pending.address);
      } else {
        candidate.Hold(Place::kStack, pending.address);
      }
    }
    if (!candidate.held) Follow(&candidate, own, others);
  }
}

bool References::IsRecorded(uint64_t address) {
  return Recorded().OwnerOfBlock(address) || Recorded().OwnerOfWord(address) ||
         Recorded().Contains(address);
}

// A reference on the heap: adds the address of its word to those that may be none, or holds.
void References::Judge(Candidate* candidate, const Pending& pending, std::vector<uint64_t>* own,
                       std::vector<Pending>* others) {
  // What was freed first: a stale pointer in the PGconn may lead there, too, and then the
  // allocator's own pointer to the free block would count as the program's.
  if (view_->blocks().IsFree(pending.address)) return;
  // libpq's own memory may have been the program's before, which may still have its address.
  if (const auto conn = Recorded().OwnerOfBlock(pending.address)) {
    candidate->relies_on.insert(recorded_connections_[*conn]);
    return;
  }
  if (!pending.to_object && IsOwn(candidate, pending.address)) {
    own->push_back(pending.address);
    return;
  }
  if (Recorded().Contains(pending.address)) {
    others->push_back(pending);
    return;
  }
  const auto conn = Recorded().OwnerOfWord(pending.address);
  if (pending.to_object && conn) {
    candidate->relies_on.insert(recorded_connections_[*conn]);
  } else {
    candidate->Hold(PlaceOf(view_->parts(), pending.address), pending.address);
  }
}

// Finds the blocks that lead to these words. With the same ones twice, and no other reference,
// nothing leads to the connection.
void References::Follow(Candidate* candidate, const std::vector<uint64_t>& own,
                        const std::vector<Pending>& others) {
  std::vector<AddressRange> leading;
  if (!own.empty()) leading = LeadingTo(own, *candidate->objects, view_->WordAt());
  if (!others.empty() || !candidate->relies_on.empty()) {
    AddThroughOthers(candidate, others, &leading);
  }
  if (candidate->held) return;
  if (leading == candidate->leading) {
    ++candidate->clean_passes;
  } else {
    candidate->leading = std::move(leading);
    candidate->clean_passes = 0;
  }
}

void References::AddThroughOthers(Candidate* candidate, const std::vector<Pending>& words,
                                  std::vector<AddressRange>* leading) {
  std::vector<uint64_t> addresses;
  for (const AddressRange& block : *leading) addresses.push_back(block.begin);
  for (const Pending& word : words) {
    if (!word.to_object) addresses.push_back(word.address);
  }
  const RecordedBlocks::Leading more = Recorded().LeadingTo(addresses);
  for (const size_t root : more.roots) candidate->relies_on.insert(recorded_connections_[root]);
  leading->insert(leading->end(), more.blocks.begin(), more.blocks.end());
  *leading = Merged(std::move(*leading));
  for (const Pending& word : words) {
    if (!AnyContains(*leading, word.address)) candidate->Hold(Place::kHeap, word.address);
  }
  if (leading->size() > kMaxLeading) {
    candidate->Hold(Place::kHeap, words.empty() ? leading->front().begin : words.front().address);
  }
}

bool References::IsOwn(Candidate* candidate, uint64_t address) {
  if (!candidate->objects) {
    candidate->objects = FollowPointers(candidate->block, view_->blocks(), view_->WordAt());
  }
  return candidate->objects->Contains(address);
}

// The blocks of all connections and of OpenSSL, as they are in this pass.
const RecordedBlocks& References::Recorded() {
  if (recorded_) return *recorded_;
  std::vector<std::pair<AddressRange, size_t>> conns;
  for (size_t i = 0; i < snapshot_.connections.size(); ++i) {
    if (!HasConn(snapshot_.connections[i])) continue;
    const auto block = view_->blocks().BlockAt(snapshot_.connections[i].handle);
    if (block) conns.emplace_back(*block, i);
  }
  for (const Mapping& mapping : view_->parts().mappings) {
    if (!mapping.writable || !view_->InOpenSsl(mapping.range.begin)) continue;
    for (uint64_t begin = mapping.range.begin; begin < mapping.range.end; begin += kMaxBlockRead) {
      conns.emplace_back(AddressRange{begin, std::min(begin + kMaxBlockRead, mapping.range.end)},
                         kNoConnection);
    }
  }
  std::sort(conns.begin(), conns.end(),
            [](const auto& a, const auto& b) { return a.first.begin < b.first.begin; });
  std::vector<RecordedBlocks::Root> roots;
  recorded_connections_.clear();
  for (const auto& [block, connection] : conns) {
    if (!roots.empty() && block.begin < roots.back().range.end) continue;
    roots.push_back({block, connection != kNoConnection});
    recorded_connections_.push_back(connection);
  }
  return recorded_.emplace(roots, view_->blocks(), view_->WordAt(),
                           [this](uint64_t address) { return view_->IsCode(address); });
}

}  // namespace pqleash::reporter
