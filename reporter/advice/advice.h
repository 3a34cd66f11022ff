// SPDX-License-Identifier: Apache-2.0
//
// What limits to set, from what was measured, with the arithmetic in words. Pure; strings are not
// escaped.

#ifndef PQLEASH_REPORTER_ADVICE_ADVICE_H_
#define PQLEASH_REPORTER_ADVICE_ADVICE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/advice/situation.h"
#include "reporter/call_sites/call_site_group.h"
#include "reporter/caps/caps_report.h"
#include "reporter/findings/demand.h"
#include "reporter/findings/need.h"
#include "reporter/snapshot/occasion.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

struct AdviceOptions {
  uint32_t headroom_percent = kHeadroomPercent;
  std::optional<uint64_t> max = {};             // slots of the server that are to be shared out
  std::vector<std::string> library_paths = {};  // see HeadlineFrame
};

// A cap to be made.
struct ProposedCap {
  std::string name;   // as configurations allow it
  std::string scope;  // 'service' or 'process'
  uint64_t limit = 1;
  uint64_t enough = 1;     // what would do for the need; below `limit` where nothing asks for less
  uint64_t call_site = 0;  // id; 0: of the whole service
  uint64_t wait_timeout_s = 1;  // on_limit is wait
  // Whether it does good at once, while the service runs. Otherwise it is for the file alone: from
  // the next start on.
  bool live = false;
  std::string existing;                 // the cap of that scope that is in force; empty: none
  uint64_t existing_limit = 0;          // its limit
  std::vector<std::string> arithmetic;  // sentences without a full stop
};

struct CallSiteAdvice {
  uint64_t id = 0;
  uint64_t ids = 1;   // how many it has: a cap of one of them holds for no other
  std::string place;  // the code; empty: not recorded
  uint64_t open = 0;
  uint64_t peak = 0;          // of several processes: the most that can have been open at once
  uint64_t in_use_peak = 0;   // the same; without those forgotten in a transaction
  uint64_t process_peak = 0;  // of in_use_peak, in one process: the largest
  uint64_t opened = 0;
  std::optional<double> busy_share;  // of the time that its connections were held
  double connects_per_s = 0;         // since its first
  uint64_t limit = 0;                // what would do for its need; 0: nothing to propose from
};

struct ServiceAdvice {
  std::string service;
  Demand demand;
  Situation situation;
  bool needed = false;  // a limit is
  std::string summary;  // whether, with the numbers: one sentence without a full stop
  // Where a limit is needed and none would do at once: why, and what does. Sentences without a full
  // stop.
  std::vector<std::string> at_once;
  std::vector<int32_t> idle_backends;      // see IdleBackends; empty: none are to be ended
  std::vector<CallSiteAdvice> call_sites;  // most open connections first
  // Why there is no proposal, or why it rests on too little; empty: there is enough.
  std::string little_data;
  std::vector<ProposedCap> caps;   // the service's first; empty: nothing to propose from
  std::vector<std::string> notes;  // sentences without a full stop: what else there is to know
};

struct Advice {
  uint64_t generated_realtime_ns = 0;
  std::string host;
  AdviceOptions options;
  std::vector<ServiceAdvice> services;  // by name
  uint64_t sum = 0;                     // of the services' limits
  std::vector<std::string> shares;      // of options.max: whether the sum fits; sentences
  std::vector<std::string> incomplete;
};

// `call_sites` refer to `snapshots`, with their frames.
Advice Advise(const std::vector<Snapshot>& snapshots, const std::vector<CallSiteGroup>& call_sites,
              const std::vector<CapsPolicy>& caps, const AdviceOptions& options,
              const Occasion& occasion);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_ADVICE_ADVICE_H_
