// SPDX-License-Identifier: Apache-2.0
//
// What the caps report: lines of the log, and the sentence for a refused connect.

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <iterator>

#include "shim/caps/caps.h"
#include "shim/caps/holders.h"
#include "shim/caps/limits.h"
#include "shim/log/log.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"

namespace pqleash::caps {

namespace {

// A cap that is reached and left again all the time is described at most this often.
constexpr uint64_t kDescribeIntervalNs = 10'000'000'000;

using log::Event;
using log::Field;

// Returns connects a second in thousandths, or 0 if there is no rate.
uint64_t RateOf(const Rule& rule) {
  return rule.interval_ns == 0 ? 0 : 1'000'000'000'000 / rule.interval_ns;
}

Event EventOf(const Policy& policy, Event of_cap, Event of_pace) {
  return policy.kind == kPace ? of_pace : of_cap;
}

// `on_limit` comes from a board and may be invalid.
const char* NameOf(uint32_t on_limit) {
  return on_limit < std::size(kOnLimitNames) ? kOnLimitNames[on_limit] : "?";
}

}  // namespace

void Caps::LogChange(uint32_t number) {
  if (!Shared().Announce(number)) return;
  const Record& record = Shared().record(number);
  const Rule& rule = record.rule;
  const char* kind = KindOf(record.filed);
  // The text comes from a board that any process may write, so its length is bounded.
  const Field cap = Field::Text(
      "cap", {record.filed.name, strnlen(record.filed.name, sizeof(record.filed.name))});
  const Field by_pid = Field::Number("by_pid", record.changed_by);
  const Field on_limit = Field::Text("on_limit", NameOf(rule.on_limit));
  if (record.before.limit == 0 && record.before.burst == 0) {
    log::Write(log::Level::kWarn, EventOf(record.filed, Event::kCapAdded, Event::kPaceAdded),
               {cap, Field::Text("kind", kind), by_pid, Field::Number("limit", rule.limit),
                Field::Thousandths("rate_per_s", RateOf(rule)), Field::Number("burst", rule.burst),
                on_limit},
               "%s \"%s\": added by pid %u: limit %u, on_limit %s", KindOf(record.filed),
               policies_[number].name, record.changed_by, record.rule.limit,
               NameOf(record.rule.on_limit));
    return;
  }
  if (record.filed.kind == kPace) {
    log::Write(
        log::Level::kWarn, Event::kPaceChanged,
        {cap, Field::Text("change", record.overridden != 0 ? "set" : "reset"), by_pid,
         Field::Thousandths("rate_per_s", RateOf(rule)),
         Field::Thousandths("rate_per_s_before", RateOf(record.before)),
         Field::Number("burst", rule.burst), on_limit},
        "pace \"%s\": %s by pid %u (was: a connect every %.3g ms, burst %u, on_limit %s; now: "
        "every %.3g ms, burst %u, on_limit %s)",
        record.filed.name, record.overridden != 0 ? "set" : "reset", record.changed_by,
        static_cast<double>(record.before.interval_ns) / 1e6, record.before.burst,
        NameOf(record.before.on_limit), static_cast<double>(record.rule.interval_ns) / 1e6,
        record.rule.burst, NameOf(record.rule.on_limit));
    return;
  }
  log::Write(
      log::Level::kWarn, Event::kCapChanged,
      {cap, Field::Text("change", record.overridden != 0 ? "set" : "reset"), by_pid,
       Field::Number("limit", rule.limit), Field::Number("limit_before", record.before.limit),
       on_limit, Field::Number("in_use", Shared().use(number))},
      "cap \"%s\": %s by pid %u: limit %u, on_limit %s, wait_timeout %u ms (before: limit %u, "
      "on_limit %s, wait_timeout %u ms); %u in use",
      record.filed.name, record.overridden != 0 ? "set" : "reset", record.changed_by,
      record.rule.limit, NameOf(record.rule.on_limit), record.rule.wait_timeout_ms,
      record.before.limit, NameOf(record.before.on_limit), record.before.wait_timeout_ms,
      Shared().use(number));
}

void Caps::LogRemoval(uint32_t number) {
  if (!Shared().Announce(number)) return;
  log::Write(log::Level::kWarn, EventOf(policies_[number], Event::kCapRemoved, Event::kPaceRemoved),
             {Field::Text("cap", policies_[number].name),
              Field::Number("by_pid", Shared().record(number).changed_by)},
             "%s \"%s\": removed by pid %u", KindOf(policies_[number]), policies_[number].name,
             Shared().record(number).changed_by);
}

void Caps::Explain(const Outcome& outcome, char (&text)[kRefusalSize]) {
  if (outcome.policy >= kMaxPolicies) {
    snprintf(
        text, sizeof(text),
        "pqleash refused this connection because a cap that has changed meanwhile had no room; "
        "see 'pqleash caps'\n");
    return;
  }
  Board& board = BoardOf(outcome.policy);
  const Record& record = board.record(outcome.policy);
  Refusal refusal = {};
  refusal.policy = &policies_[outcome.policy];
  refusal.rule = record.rule;
  refusal.service = policies_[outcome.policy].scope == kScopeUser ? "" : start_.service;
  refusal.use = board.use(outcome.policy) + ElsewhereUse(record, Now());
  refusal.waiting = record.waiting;
  refusal.waited_ns = outcome.answer == Answer::kTimedOut ? outcome.waited_ns : 0;
  refusal.server_full = outcome.server_full;
  const uint32_t label = BiggestHolder(board, outcome.policy, &refusal.holder_count);
  if (label != kNoEntry) {
    refusal.holder = board.label(label).text;
    refusal.holder_site = board.label(label).call_site;
  }
  caps::Explain(refusal, text);
}

void Caps::Note(const Stretches& begun, uint64_t now) {
  for (uint32_t i = 0; i < begun.count; ++i) Note(begun.at[i], now);
}

// Logs who holds what, at the first connect that is held back.
void Caps::Note(const Outcome& outcome, uint64_t now) {
  if (outcome.policy >= kMaxPolicies) return;
  std::atomic<uint64_t>& logged = logged_full_ns_[outcome.policy];
  uint64_t last = logged.load(std::memory_order_relaxed);
  if (last != 0 && now < last + kDescribeIntervalNs) return;
  if (!logged.compare_exchange_strong(last, now, std::memory_order_relaxed)) return;
  if (!log::Enabled(log::Level::kWarn)) return;
  const HostStateKeeper keeper;
  LogHolders(BoardOf(outcome.policy), outcome.policy, policies_[outcome.policy], outcome,
             start_.directory, now);
}

void Caps::NoteEpisodes(Board& board, uint64_t now) {
  Episode episode;
  while (board.NextEpisode(now, &episode)) {
    const Policy& policy = policies_[episode.policy];
    log::Write(log::Level::kWarn, EventOf(policy, Event::kCapRoom, Event::kPaceRoom),
               {Field::Text("cap", policy.name), Field::Seconds("lasted_s", episode.lasted_ns),
                Field::Number("waited", episode.waited),
                Field::Seconds("longest_wait_s", episode.longest_wait_ns),
                Field::Number("refused", episode.refused),
                Field::Number("admitted_beyond", episode.warned)},
               "%s \"%s\" has room again after %.1f s: %" PRIu64
               " waited (longest %.3f s), %" PRIu64 " refused, %" PRIu64 " admitted beyond it",
               KindOf(policy), policy.name, ToSeconds(episode.lasted_ns), episode.waited,
               ToSeconds(episode.longest_wait_ns), episode.refused, episode.warned);
  }
}

}  // namespace pqleash::caps
