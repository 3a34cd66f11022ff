// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/recorded_blocks.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

namespace pqleash::reporter {
namespace {

// Of PGNoticeHooks, which is two functions, each with its argument. The word behind the last one is
// the array of the event procedures, each with two words of the program's (libpq-int.h).
constexpr uint64_t kWordsBehindFunction = 2;

// Bytes at the end of a block that may lie behind what was asked of malloc, and are never cleared:
// a chunk is a multiple of 16 bytes, and takes along a rest that is too small for a chunk (less
// than 32 bytes).
constexpr uint64_t kMaxSlack = 24;

size_t IndexOf(const std::vector<AddressRange>& ranges, uint64_t address) {
  return IndexAt(ranges, address, [](const AddressRange& range) { return range; });
}

}  // namespace

RecordedBlocks::RecordedBlocks(const std::vector<Root>& roots, const MallocBlocks& blocks,
                               const MallocBlocks::WordAt& word_at, const IsCode& is_code) {
  for (const Root& root : roots) roots_.push_back(root.range);
  FindArguments(word_at, is_code);
  Follow(roots, blocks, word_at);
  Link(word_at);
}

void RecordedBlocks::FindArguments(const MallocBlocks::WordAt& word_at, const IsCode& is_code) {
  for (const AddressRange& root : roots_) {
    uint64_t since_function = kWordsBehindFunction;
    ForEachWord(root, word_at, [&](uint64_t address, uint64_t word) {
      if (is_code(word)) {
        since_function = 0;
      } else if (since_function < kWordsBehindFunction) {
        ++since_function;
        arguments_.push_back(address);
      }
    });
  }
}

// Level by level from all roots at once: each block is reached by the shortest way.
void RecordedBlocks::Follow(const std::vector<Root>& roots, const MallocBlocks& blocks,
                            const MallocBlocks::WordAt& word_at) {
  struct Reached {
    AddressRange block;
    size_t root = 0;
    bool is_own = false;
  };
  std::unordered_map<uint64_t, Reached> seen;
  std::vector<Reached> level;
  for (size_t i = 0; i < roots_.size(); ++i) level.push_back({roots_[i], i});
  for (size_t depth = 0; depth < kMaxTableDepth && !level.empty(); ++depth) {
    std::vector<Reached> next;
    for (const Reached& reached : level) {
      if (depth >= roots[reached.root].depth()) continue;
      ForEachWord(reached.block, word_at, [&](uint64_t address, uint64_t word) {
        if (seen.size() >= kMaxBlocks || seen.contains(word)) return;
        if (depth == 0 && !OwnerOfWord(address)) return;
        const auto found = blocks.BlockAt(word);
        if (!found || IndexOf(roots_, word) < roots_.size()) return;
        const bool is_own = depth == 0 && roots[reached.root].is_conn &&
                            address + 8 + kMaxSlack <= reached.block.end;
        const Reached here{*found, reached.root, is_own};
        seen.emplace(word, here);
        next.push_back(here);
      });
    }
    level = std::move(next);
  }
  const std::map<uint64_t, Reached> in_order(seen.begin(), seen.end());
  for (const auto& [begin, reached] : in_order) {
    // A word inside of another block may look like the begin of one.
    if (!nodes_.empty() && begin < nodes_.back().block.end) continue;
    nodes_.push_back({reached.block, reached.root, reached.is_own, {}});
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

std::optional<size_t> RecordedBlocks::OwnerOfBlock(uint64_t address) const {
  const size_t node = NodeAt(address);
  if (node == nodes_.size() || !nodes_[node].is_own) return std::nullopt;
  return nodes_[node].root;
}

std::optional<size_t> RecordedBlocks::OwnerOfWord(uint64_t address) const {
  const size_t root = IndexOf(roots_, address);
  // A word between two words is none of libpq's.
  if (root == roots_.size() || address % 8 != 0 ||
      std::binary_search(arguments_.begin(), arguments_.end(), address)) {
    return std::nullopt;
  }
  return root;
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
  std::set<size_t> roots;
  for (const size_t node : found) {
    leading.blocks.push_back(nodes_[node].block);
    roots.insert(nodes_[node].root);
  }
  leading.roots.assign(roots.begin(), roots.end());
  return leading;
}

}  // namespace pqleash::reporter
