// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/own_objects.h"

#include <algorithm>
#include <map>
#include <utility>

namespace pqleash::reporter {
namespace {

size_t IndexOf(const std::vector<AddressRange>& ranges, uint64_t address) {
  return IndexAt(ranges, address, [](const AddressRange& range) { return range; });
}

}  // namespace

bool OwnObjects::Contains(uint64_t address) const {
  return IndexOf(blocks, address) < blocks.size();
}

OwnObjects FollowPointers(const AddressRange& conn, const MallocBlocks& blocks,
                          const MallocBlocks::WordAt& word_at) {
  std::map<uint64_t, AddressRange> seen = {{conn.begin, conn}};
  std::vector<AddressRange> level = {conn};
  for (size_t depth = 0; depth < kMaxDepth && seen.size() < kMaxOwnBlocks; ++depth) {
    std::vector<AddressRange> next;
    for (const AddressRange& block : level) {
      ForEachWord(block, word_at, [&](uint64_t, uint64_t word) {
        if (seen.size() >= kMaxOwnBlocks || seen.contains(word)) return;
        const auto found = blocks.BlockAt(word);
        if (!found) return;
        seen.emplace(word, *found);
        next.push_back(*found);
      });
    }
    level = std::move(next);
  }
  OwnObjects objects;
  for (const auto& [begin, block] : seen) {
    // A word inside of another block may look like the begin of one.
    if (begin == conn.begin || (!objects.blocks.empty() && begin < objects.blocks.back().end)) {
      continue;
    }
    objects.blocks.push_back(block);
  }
  return objects;
}

std::vector<AddressRange> LeadingTo(const std::vector<uint64_t>& references,
                                    const OwnObjects& objects,
                                    const MallocBlocks::WordAt& word_at) {
  std::vector<bool> leads(objects.blocks.size());
  std::vector<AddressRange> leading;
  const auto refresh = [&] {
    leading.clear();
    for (size_t i = 0; i < leads.size(); ++i) {
      if (leads[i]) leading.push_back(objects.blocks[i]);
    }
  };
  for (const uint64_t reference : references) {
    const size_t index = IndexOf(objects.blocks, reference);
    if (index < leads.size()) leads[index] = true;
  }
  refresh();
  for (bool grown = true; grown;) {
    grown = false;
    for (size_t i = 0; i < leads.size(); ++i) {
      if (leads[i]) continue;
      ForEachWord(objects.blocks[i], word_at, [&](uint64_t, uint64_t word) {
        if (!leads[i] && IndexOf(leading, word) < leading.size()) grown = leads[i] = true;
      });
    }
    if (grown) refresh();
  }
  return leading;
}

}  // namespace pqleash::reporter
