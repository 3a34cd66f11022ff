// SPDX-License-Identifier: Apache-2.0
//
// The connections that a search looks for, and what it has found of each so far.

#ifndef PQLEASH_REPORTER_REACHABILITY_CANDIDATES_H_
#define PQLEASH_REPORTER_REACHABILITY_CANDIDATES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "reporter/reachability/own_objects.h"
#include "reporter/reachability/process_view.h"

namespace pqleash::reporter {

// Addresses above a PGconn that may be it with a tag.
inline constexpr uint64_t kTagRoom = 16;

// A reference that may turn out to be none.
struct Pending {
  uint64_t address = 0;
  bool to_object = false;  // leads to one of the connection's own objects, not to the PGconn
  int32_t unused_of = 0;   // thread whose unused stack it is in; 0: in none
};

struct Candidate {
  size_t connection = 0;  // index into the snapshot
  AddressRange block;     // the PGconn
  std::vector<Pending> pending;
  std::optional<OwnObjects> objects;
  // Blocks of connections that a way leads through to a reference: nothing else may point there.
  std::vector<AddressRange> leading;
  // Connections, as indexes into the snapshot, in whose blocks such ways begin.
  std::set<size_t> relies_on;
  // Words in the unused parts of stacks that lead to it, as of the last pass.
  std::vector<uint64_t> in_unused_stacks;
  uint64_t clean_passes = 0;
  // Where it is held, with the most telling place first.
  bool held = false;
  Place place = Place::kStack;
  uint64_t held_at = 0;
  std::string held_by;  // instead of a place

  void Hold(Place where, uint64_t address);
  void HoldBy(std::string by);
};

// Whose a target is.
struct Owner {
  size_t candidate = 0;
  bool is_object = false;  // a block that leads to the PGconn, not the PGconn
  bool is_digit = false;   // of a Python int, see Encodings
};

// What is looked for: a PGconn, or a block that leads to one.
struct Sought {
  AddressRange range;
  std::vector<Owner> owners;
};

// The part of `block` whose addresses are looked for. The last word of a block is the first of the
// next chunk's header, which the allocator itself points to.
AddressRange PointedTo(const AddressRange& block);

// `targets` in order of address; those that overlap are made one, with the owners of both.
std::vector<Sought> Joined(std::vector<Sought> targets);

// The ranges of targets, in their order.
std::vector<AddressRange> RangesOf(const std::vector<Sought>& targets);

// The handle of `connection` leads to a PGconn of its process. A blocking connect has no handle
// before it returns.
bool HasConn(const Connection& connection);

// It has a PGconn, and no thread is in a call with it.
bool MayBeJudged(const Connection& connection);

class Candidates {
 public:
  // Those of the snapshot that may be judged and lie in memory that is searched. Two in one place
  // are left out: the ledger is damaged, or one of them is gone.
  void Choose(const Snapshot& snapshot, const ProcessView& view);

  std::vector<Candidate>& all() { return all_; }
  const std::vector<Candidate>& all() const { return all_; }
  Candidate& operator[](size_t index) { return all_[index]; }

  // How many have no reference so far.
  uint64_t Open() const;

  // What to look for next, of those without a reference so far: in order, without overlaps. What
  // several connections share is one target.
  std::vector<Sought> Targets(const Snapshot& snapshot, const Encodings& encodings) const;

 private:
  std::vector<Candidate> all_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REACHABILITY_CANDIDATES_H_
