// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/recorded_blocks.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "reporter/reachability/own_objects.h"

namespace pqleash::reporter {
namespace {

// Of PGNoticeHooks, which is two functions, each with its argument. The word behind the last one is
// the array of the event procedures, each with two words of the program's (libpq-int.h).
constexpr uint64_t kWordsBehindFunction = 2;

size_t IndexOf(const std::vector<AddressRange>& ranges, uint64_t address) {
  return IndexAt(ranges, address, [](const AddressRange& range) { return range; });
}

}  // namespace

RecordedBlocks::RecordedBlocks(std::vector<AddressRange> conns, const MallocBlocks& blocks,
                               const MallocBlocks::WordAt& word_at, const IsCode& is_code)
    : conns_(std::move(conns)) {
  FindArguments(word_at, is_code);
  Follow(blocks, word_at);
  Link(word_at);
}

void RecordedBlocks::FindArguments(const MallocBlocks::WordAt& word_at, const IsCode& is_code) {
  for (const AddressRange& conn : conns_) {
    uint64_t since_function = kWordsBehindFunction;
    ForEachWord(conn, word_at, [&](uint64_t address, uint64_t word) {
      if (is_code(word)) {
        since_function = 0;
      } else if (since_function < kWordsBehindFunction) {
        ++since_function;
        arguments_.push_back(address);
      }
    });
  }
}

// Level by level from all PGconns at once: each block is reached by the shortest way.
void RecordedBlocks::Follow(const MallocBlocks& blocks, const MallocBlocks::WordAt& word_at) {
  struct Reached {
    AddressRange block;
    size_t conn = 0;
  };
  std::map<uint64_t, Reached> seen;
  std::vector<Reached> level;
  for (size_t i = 0; i < conns_.size(); ++i) level.push_back({conns_[i], i});
  for (size_t depth = 0; depth < kMaxDepth; ++depth) {
    std::vector<Reached> next;
    for (const Reached& reached : level) {
      ForEachWord(reached.block, word_at, [&](uint64_t address, uint64_t word) {
        if (seen.size() >= kMaxBlocks || seen.contains(word)) return;
        if (depth == 0 && !OwnerOfWord(address)) return;
        const auto found = blocks.BlockAt(word);
        if (!found || IndexOf(conns_, word) < conns_.size()) return;
        seen.emplace(word, Reached{*found, reached.conn});
        next.push_back({*found, reached.conn});
      });
    }
    level = std::move(next);
  }
  for (const auto& [begin, reached] : seen) {
    // A word inside of another block may look like the begin of one.
    if (!nodes_.empty() && begin < nodes_.back().block.end) continue;
    nodes_.push_back({reached.block, reached.conn, {}});
  }
}

void RecordedBlocks::Link(const MallocBlocks::WordAt& word_at) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    ForEachWord(nodes_[i].block, word_at, [&](uint64_t, uint64_t word) {
      const size_t to = NodeAt(word);
      if (to == nodes_.size() || to == i) return;
      std::vector<size_t>& from = nodes_[to].from;
      if (from.empty() || from.back() != i) from.push_back(i);
    });
  }
}

size_t RecordedBlocks::NodeAt(uint64_t address) const {
  return IndexAt(nodes_, address, [](const Node& node) { return node.block; });
}

bool RecordedBlocks::Contains(uint64_t address) const { return NodeAt(address) < nodes_.size(); }

std::optional<size_t> RecordedBlocks::OwnerOfWord(uint64_t address) const {
  const size_t conn = IndexOf(conns_, address);
  // A word between two words is none of libpq's.
  if (conn == conns_.size() || address % 8 != 0 ||
      std::binary_search(arguments_.begin(), arguments_.end(), address)) {
    return std::nullopt;
  }
  return conn;
}

RecordedBlocks::Leading RecordedBlocks::LeadingTo(const std::vector<uint64_t>& addresses) const {
  std::set<size_t> found;
  std::vector<size_t> open;
  const auto add = [&](size_t node) {
    if (node < nodes_.size() && found.insert(node).second) open.push_back(node);
  };
  for (const uint64_t address : addresses) add(NodeAt(address));
  while (!open.empty()) {
    const size_t node = open.back();
    open.pop_back();
    for (const size_t from : nodes_[node].from) add(from);
  }
  Leading leading;
  std::set<size_t> conns;
  for (const size_t node : found) {
    leading.blocks.push_back(nodes_[node].block);
    conns.insert(nodes_[node].conn);
  }
  leading.conns.assign(conns.begin(), conns.end());
  return leading;
}

}  // namespace pqleash::reporter
