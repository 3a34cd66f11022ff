// SPDX-License-Identifier: Apache-2.0
//
// The events of the log. Their names are stable, because alerts and queries are built on them. A
// JSON line has the name as "event"; a text line does not show it. LOG.md lists the fields of each
// event.

#ifndef PQLEASH_SHIM_LOG_EVENTS_H_
#define PQLEASH_SHIM_LOG_EVENTS_H_

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace pqleash::log {

enum class Event : uint32_t {
  kStart,               // the first connect of the process: its settings and their sources
  kConfigProblem,       // a value of the configuration cannot be used
  kConfigReloaded,      // the file has changed: its caps are in force; `file`, `policies`
  kConfigKept,          // the file has changed and cannot be used: the old caps stay; `file`
  kLedgerUnavailable,   // the ledger has no file: `pqleash` cannot see this process
  kRecordsUnavailable,  // no memory: connections of this process are not recorded; `error`
  kBoardUnavailable,    // no shared board: caps count the connections of this process only
  kBoardMoved,          // the process uses another shared board from now on, or none; `reason`
  kBoardOthers,         // boards of other versions exist and are counted; `boards`, `in_use`
  kPolicyNotInForce,    // too many caps and paces: this one is not enforced; `cap`, `kind`, `most`
  kPolicyLockedOut,  // the board is locked and caps are not in force, or they are again; `policies`
  kPolicyContradicted,  // another file, equally new, defines a cap differently; `cap`, `kind`
  kCapAdded,            // `pqleash caps add`; `cap`, `by_pid`, `limit`, `on_limit`
  kCapChanged,  // `caps set` or `caps reset`; the fields of cap.added, `limit_before`, `in_use`
  kCapRemoved,  // `caps reset` of a cap that was added; `cap`, `by_pid`
  kCapReached,  // a cap has no room; `cap`, `in_use`, `limit`, `waiting`, `on_limit`
  kCapHolder,   // after cap.reached, one per call site; `cap`, `held`, `holder`, `call_site`, ...
  kCapRoom,     // the cap has room again; `cap`, `lasted_s`, `waited`, `refused`, `admitted_beyond`
  kPaceAdded,   // like cap.added, with `rate_per_s` and `burst`
  kPaceChanged,   // like cap.changed, with `rate_per_s` and `burst`
  kPaceRemoved,   // like cap.removed
  kPaceHeldBack,  // a pace holds connects back; `cap`, `server_full`, `on_limit`
  kPaceRoom,      // like cap.room
  kDropped,       // lines of the log that its place did not take at once; `dropped`
  kLeftOut,       // lines of `left_out_event` beyond the bound for one second; `left_out`
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
