// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/parked_stacks.h"

namespace pqleash::reporter {
namespace {

// Registers that a switch pushes in front of the address of its code: x86-64 has six that a
// function keeps, boost::context two more words, and some schedulers the registers of vectors.
constexpr uint64_t kMaxPushed = 256;

// Index of the part that contains `address`; unused.size(): none does.
size_t PartOf(const std::vector<AddressRange>& unused, uint64_t address) {
  return IndexAt(unused, address, [](const AddressRange& part) { return part; });
}

// The thread goes on there at some time, by the code that lies beside the word or where it leads.
bool GoesOnAt(const WordToStack& word, const StackFacts& facts) {
  if (facts.is_code(facts.word_at(word.location + 8))) return true;
  if (word.in_stack || word.address % 8 != 0) return false;
  for (uint64_t at = word.address; at < word.address + kMaxPushed; at += 8) {
    if (facts.is_code(facts.word_at(at))) return true;
  }
  return false;
}

}  // namespace

std::vector<uint64_t> ParkedFrom(const std::vector<AddressRange>& unused,
                                 const std::vector<WordToStack>& words, const StackFacts& facts) {
  std::vector<uint64_t> from;
  for (const AddressRange& part : unused) from.push_back(part.end);
  // A word in a coroutine's frame counts once that coroutine is known to be one.
  for (bool more = true; more;) {
    more = false;
    for (const WordToStack& word : words) {
      const size_t part = PartOf(unused, word.address);
      if (part == unused.size() || word.address >= from[part]) continue;
      const size_t own = PartOf(unused, word.location);
      if (own != unused.size() && word.location < from[own]) continue;
      if (!GoesOnAt(word, facts)) continue;
      from[part] = word.address;
      more = true;
    }
  }
  return from;
}

}  // namespace pqleash::reporter
