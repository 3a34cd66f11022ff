// SPDX-License-Identifier: Apache-2.0
//
// Whether the caps of a configuration fit a server: how many connections a deploy may open with
// them, how many the server has for it, and how many the programs need. Pure.
//
// What the server has for a role in a database is the least of
//   - max_connections, less what is reserved for others than this role, less what other roles have
//     in use now;
//   - the role's CONNECTION LIMIT;
//   - the database's CONNECTION LIMIT, less what other roles have in use there now.
// Limits do not hold for superusers. Connections of the role itself are taken for those that the
// deploy replaces, whoever has them.
//
// A deploy is so many instances (hosts or containers, each with counters of its own) with so many
// worker processes each. A cap of scope process is good for limit × instances × workers, others for
// limit × instances. A connect has to pass every cap that speaks of it, so that the least decides.

#ifndef PQLEASH_REPORTER_SERVER_BUDGET_H_
#define PQLEASH_REPORTER_SERVER_BUDGET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/server/measured_need.h"
#include "reporter/server/server_view.h"
#include "shim/caps/policy.h"

namespace pqleash::reporter {

struct Deploy {
  uint64_t instances = 1;  // both 1 to 1,000,000
  uint64_t workers = 1;
};

// Connections of roles other than ours, as the server lists them.
struct OthersInUse {
  bool known = false;
  uint64_t on_server = 0;
  uint64_t in_database = 0;
};
OthersInUse CountOthers(const ServerView& view);

enum class Bound { kServer, kRole, kDatabase };

struct CapDemand {
  std::string name;
  uint32_t scope = 0;  // caps::Scope
  uint64_t limit = 0;
  uint64_t connections = 0;       // that the deploy may open; stays below 2^64
  bool partial = false;           // holds for some of the connections alone
  bool warns = false;             // counts, but holds nothing back
  bool fits = false;              // by itself
  std::optional<uint64_t> lower;  // where it is too large: the largest limit that fits; 0: none
};

struct Budget {
  uint64_t available = 0;
  Bound bound = Bound::kServer;
  std::string reason;  // how `available` comes about: 'max_connections 100 − 3 reserved …'
  OthersInUse others;
  Deploy deploy;
  std::vector<CapDemand> caps;  // that hold for the address, in the order of the file
  std::vector<MeasuredNeed> needs;
  std::vector<std::string> problems;  // sentences without a full stop: what does not fit
  std::vector<std::string> notes;     // the same: what is worth knowing
};

Budget MakeBudget(const ServerView& view, const std::vector<caps::Policy>& policies,
                  const Deploy& deploy, const std::vector<MeasuredNeed>& needs);

// '20 connections × 4 instances × 8 workers = 640'.
std::string DemandText(const CapDemand& cap, const Deploy& deploy);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVER_BUDGET_H_
