// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/candidates.h"

#include <algorithm>
#include <utility>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kAddressEnd = uint64_t{1} << 47;

}  // namespace

void Candidate::Hold(Place where, uint64_t address) {
  if (held && place <= where) return;
  held = true;
  place = where;
  held_at = address;
}

void Candidate::HoldBy(std::string by) {
  if (held) return;
  held = true;
  held_by = std::move(by);
}

AddressRange PointedTo(const AddressRange& block) {
  return {block.begin, block.size() > kTagRoom ? block.end - 8 : block.end};
}

std::vector<Sought> Joined(std::vector<Sought> all) {
  std::sort(all.begin(), all.end(),
            [](const Sought& a, const Sought& b) { return a.range.begin < b.range.begin; });
  std::vector<Sought> targets;
  for (Sought& target : all) {
    if (targets.empty() || target.range.begin >= targets.back().range.end) {
      targets.push_back(std::move(target));
      continue;
    }
    targets.back().range.end = std::max(targets.back().range.end, target.range.end);
    targets.back().owners.push_back(target.owners.front());
  }
  return targets;
}

std::vector<AddressRange> RangesOf(const std::vector<Sought>& targets) {
  std::vector<AddressRange> ranges;
  ranges.reserve(targets.size());
  for (const Sought& sought : targets) ranges.push_back(sought.range);
  return ranges;
}

bool HasConn(const Connection& connection) {
  switch (connection.state) {
    case ConnectionState::kConnecting:
    case ConnectionState::kEstablished:
    case ConnectionState::kBroken:
    case ConnectionState::kFailed:
    case ConnectionState::kRefused:
      break;
    default:
      return false;
  }
  return connection.handle != 0 && connection.handle < kAddressEnd - kTagRoom &&
         connection.handle % 8 == 0;
}

bool MayBeJudged(const Connection& connection) {
  return HasConn(connection) && connection.in_call.empty();
}

void Candidates::Choose(const Snapshot& snapshot, const ProcessView& view) {
  all_.clear();
  for (size_t i = 0; i < snapshot.connections.size(); ++i) {
    const Connection& connection = snapshot.connections[i];
    if (!MayBeJudged(connection) || RegionAt(view.regions(), connection.handle) == nullptr)
      continue;
    Candidate candidate;
    candidate.connection = i;
    candidate.block = view.blocks()
                          .BlockAt(connection.handle)
                          .value_or(AddressRange{connection.handle, connection.handle + kTagRoom});
    all_.push_back(std::move(candidate));
  }
  std::sort(all_.begin(), all_.end(),
            [](const Candidate& a, const Candidate& b) { return a.block.begin < b.block.begin; });
  std::vector<bool> odd(all_.size());
  for (size_t i = 1; i < all_.size(); ++i) {
    if (all_[i].block.begin < all_[i - 1].block.end) odd[i] = odd[i - 1] = true;
  }
  size_t index = 0;
  std::erase_if(all_, [&](const Candidate&) { return odd[index++]; });
}

uint64_t Candidates::Open() const {
  return static_cast<uint64_t>(std::count_if(
      all_.begin(), all_.end(), [](const Candidate& candidate) { return !candidate.held; }));
}

std::vector<Sought> Candidates::Targets(const Snapshot& snapshot,
                                        const Encodings& encodings) const {
  std::vector<Sought> targets;
  for (size_t i = 0; i < all_.size(); ++i) {
    if (all_[i].held) continue;
    targets.push_back({PointedTo(all_[i].block), {{i}}});
    for (const AddressRange& object : all_[i].leading) {
      targets.push_back({PointedTo(object), {{i, true}}});
    }
    const uint64_t handle = snapshot.connections[all_[i].connection].handle;
    for (const uint64_t form : EncodedForms(handle, encodings)) {
      targets.push_back({{form, form + 1}, {{i, false, form == handle << 16}}});
    }
  }
  return Joined(std::move(targets));
}

}  // namespace pqleash::reporter
