// SPDX-License-Identifier: Apache-2.0
//
// What all recorded connections together have for themselves on the heap. A program gets at it
// through libpq's functions alone, and none of these goes from one connection to another: a word in
// such a block that leads to another connection was left there by whoever had the memory before
// (OpenSSL clears little of what it allocates). It is no reference, as long as nothing else points
// to the block or to what leads there.
//
// Arguments of callbacks are the program's own objects (PQsetNoticeReceiver, PQsetNoticeProcessor,
// PQregisterEventProc of libpq's manual), and a callback may well use another connection. libpq
// keeps them right behind the address of the function, and they are not followed.
//
// What the PGconn itself leads to is libpq's for certain: the PGconn is cleared when it is made
// (makeEmptyPGconn of fe-connect.c), and libpq clears its pointers to what it frees. Words in there
// are never the program's, even if the program still has an address from when the memory was its
// own. The last words of the block may lie behind the PGconn, and say nothing for certain.
//
// The same holds of what OpenSSL has for the whole process, behind its variables: its tables of
// names and errors are made at the first connect, and lie among what that has freed.

#ifndef PQLEASH_REPORTER_REACHABILITY_RECORDED_BLOCKS_H_
#define PQLEASH_REPORTER_REACHABILITY_RECORDED_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "reporter/reachability/malloc_blocks.h"
#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/own_objects.h"

namespace pqleash::reporter {

class RecordedBlocks {
 public:
  // Of all connections together. More are not followed, and so are no connection's.
  static constexpr size_t kMaxBlocks = 262'144;

  // From a variable of OpenSSL by a table and its array to a node, and along its chain.
  static constexpr size_t kMaxTableDepth = 8;

  // Where ways begin, and how many blocks they go through at most.
  struct Root {
    AddressRange range;
    bool is_conn = true;  // the block of a PGconn; otherwise variables of OpenSSL
    size_t depth() const { return is_conn ? kMaxDepth : kMaxTableDepth; }
  };
  using IsCode = std::function<bool(uint64_t address)>;

  // Follows pointers from `roots`, the blocks of PGconns and the variables of OpenSSL, in order and
  // without overlaps. `is_code`: whether an address lies in executable memory. Nothing is kept of
  // the functions.
  RecordedBlocks(const std::vector<Root>& roots, const MallocBlocks& blocks,
                 const MallocBlocks::WordAt& word_at, const IsCode& is_code);

  // Whether `address` lies in a block that hangs on a PGconn; the roots themselves do not count.
  bool Contains(uint64_t address) const;

  // The root, as an index into `roots`, in which the word at `address` is one that libpq keeps
  // for itself; nullopt: in none, or it is the argument of a callback.
  std::optional<size_t> OwnerOfWord(uint64_t address) const;

  // The PGconn, as an index into `roots`, that leads by a word of its own to the block with
  // `address`; nullopt: none does.
  std::optional<size_t> OwnerOfBlock(uint64_t address) const;

  struct Leading {
    std::vector<AddressRange> blocks;  // in order
    std::vector<size_t> roots;         // indexes of those on which the blocks hang; in order
  };
  // The blocks that contain one of `addresses`, and those from which pointers lead to these.
  Leading LeadingTo(const std::vector<uint64_t>& addresses) const;

 private:
  struct Node {
    AddressRange block;
    size_t root = 0;
    bool is_own = false;       // a word of the root, which is a PGconn, leads to it
    std::vector<size_t> from;  // nodes with pointers to this one
  };
  void Follow(const std::vector<Root>& roots, const MallocBlocks& blocks,
              const MallocBlocks::WordAt& word_at);
  void Link(const MallocBlocks::WordAt& word_at);
  void FindArguments(const MallocBlocks::WordAt& word_at, const IsCode& is_code);
  size_t NodeAt(uint64_t address) const;

  std::vector<AddressRange> roots_;
  std::vector<uint64_t> arguments_;  // addresses of words in the roots; in order
  std::vector<Node> nodes_;          // in order
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_RECORDED_BLOCKS_H_
