// SPDX-License-Identifier: Apache-2.0
//
// What the log can say. The names are stable: alerts and queries are built on them. Text lines do
// not show them; JSON lines have them as "event".

#ifndef PQLEASH_SHIM_LOG_EVENTS_H_
#define PQLEASH_SHIM_LOG_EVENTS_H_

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace pqleash::log {

enum class Event : uint32_t {
  kStart,               // the first connect of the process: its settings, and where each is from
  kConfigProblem,       // a value of the configuration cannot be used
  kConfigReloaded,      // the file has changed: its caps are in force; `file`, `policies`
  kConfigKept,          // the file has changed and cannot be used: the old caps stay; `file`
  kLedgerUnavailable,   // no file for the ledger: nobody sees this process from outside
  kRecordsUnavailable,  // no memory: connections of this process are not recorded; `error`
  kBoardUnavailable,    // no shared board: caps count this process alone
  kBoardMoved,          // another shared board is in use from now on, or none; `reason`
  kBoardOthers,         // boards of other versions are there, and counted; `boards`, `in_use`
  kPolicyNotInForce,    // too many caps and paces: this one is not enforced; `cap`, `kind`, `most`
  kPolicyLockedOut,     // caps are not in force, or are again: the board is locked; `policies`
  kPolicyContradicted,  // another file says otherwise of a cap, and is as new; `cap`, `kind`
  kCapAdded,            // `pqleash caps add`; `cap`, `by_pid`, `limit`, `on_limit`
  kCapChanged,          // `caps set`, `caps reset`; as added, `limit_before`, `in_use`
  kCapRemoved,          // `caps reset` of one that was added; `cap`, `by_pid`
  kCapReached,          // no room at a cap; `cap`, `in_use`, `limit`, `waiting`, `on_limit`
  kCapHolder,           // after it, one a call site; `cap`, `held`, `holder`, `call_site`, ...
  kCapRoom,             // room again; `cap`, `lasted_s`, `waited`, `refused`, `admitted_beyond`
  kPaceAdded,           // as of a cap, with `rate_per_s` and `burst`
  kPaceChanged,         // as of a cap, with `rate_per_s` and `burst`
  kPaceRemoved,         // as of a cap
  kPaceHeldBack,        // a pace holds connects back; `cap`, `server_full`, `on_limit`
  kPaceRoom,            // as of a cap
  kDropped,             // the log itself: lines that were not taken at once; `dropped`
  kLeftOut,             // the log itself: lines of `left_out_event` were too many; `left_out`
};

inline constexpr const char* kEventNames[] = {
    "start",
    "config.problem",
    "config.reloaded",
    "config.kept",
    "ledger.unavailable",
    "records.unavailable",
    "board.unavailable",
    "board.moved",
    "board.others",
    "policy.not_in_force",
    "policy.locked_out",
    "policy.contradicted",
    "cap.added",
    "cap.changed",
    "cap.removed",
    "cap.reached",
    "cap.holder",
    "cap.room",
    "pace.added",
    "pace.changed",
    "pace.removed",
    "pace.held_back",
    "pace.room",
    "log.dropped",
    "log.left_out",
};
inline constexpr size_t kEvents = std::size(kEventNames);
static_assert(kEvents == static_cast<size_t>(Event::kLeftOut) + 1);

constexpr const char* NameOf(Event event) { return kEventNames[static_cast<size_t>(event)]; }

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_EVENTS_H_
