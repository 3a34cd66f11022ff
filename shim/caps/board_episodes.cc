// SPDX-License-Identifier: Apache-2.0
//
// Stretches at the limit of a policy. A stretch begins with the first connect that is held back,
// and is over when there is room again.

#include <algorithm>

#include "shim/caps/board.h"
#include "shim/caps/board_lock.h"
#include "shim/caps/limits.h"

namespace pqleash::caps {

namespace {

bool Quiet(const Record& record, uint64_t now) {
  // A moment further in the future than threads can be apart comes from another clock.
  return record.held_back_ns > now ? record.held_back_ns - now > kApartNs
                                   : now - record.held_back_ns >= kQuietNs;
}

}  // namespace

// Notes that `policy` has no room for a connect. Returns true if a stretch at the limit begins.
bool Board::HoldBack(uint32_t policy, uint64_t now) {
  Record& record = records_[policy];
  record.held_back_ns = now;
  if (record.entered_ns != 0) return false;
  record.entered_ns = now;
  record.episode_waited = 0;
  record.episode_refused = 0;
  record.episode_warned = 0;
  record.episode_longest_ns = 0;
  SetEpisodes(header_->episodes + 1);
  return true;
}

void Board::EndEpisode(Record& record) {
  if (record.entered_ns != 0 && header_->episodes > 0) SetEpisodes(header_->episodes - 1);
  record.entered_ns = 0;
}

bool Board::NextEpisode(uint64_t now, Episode* episode) {
  if (__atomic_load_n(&header_->episodes, __ATOMIC_RELAXED) == 0) return false;
  const BoardLock lock(this, now);
  if (!lock.held()) return false;
  for (uint32_t i = 0; i < kMaxPolicies; ++i) {
    Record& record = records_[i];
    if (record.entered_ns == 0 || record.waiting > 0 || !HasRoom(record, now) ||
        !Quiet(record, now))
      continue;
    *episode = {.policy = i,
                .lasted_ns = std::max(record.held_back_ns, record.entered_ns) - record.entered_ns,
                .waited = record.episode_waited,
                .refused = record.episode_refused,
                .warned = record.episode_warned,
                .longest_wait_ns = record.episode_longest_ns};
    EndEpisode(record);
    return true;
  }
  return false;
}

}  // namespace pqleash::caps
