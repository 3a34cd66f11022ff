// SPDX-License-Identifier: Apache-2.0
//
// Chooses the shared board of a process, and counts what is in use on the boards of other versions.

#include <unistd.h>

#include <cstring>

#include "shim/caps/caps.h"
#include "shim/caps/other_boards.h"
#include "shim/log/log.h"

namespace pqleash::caps {

namespace {

// Boards of other versions appear with an upgrade and are abandoned with the last process of that
// version.
constexpr uint64_t kOthersIntervalNs = 10'000'000'000;
constexpr uint64_t kSomeOthersIntervalNs = 900'000'000;
// By then every connect that was under way when the board changed has finished or given up.
constexpr uint64_t kEnrolNs = 60'000'000'000;

}  // namespace

// REQUIRES: the caller holds renewing_ and calls Renew if the result is true. Returns false if
// nothing has changed.
bool Caps::FollowBoard(uint64_t now) {
  if (start_.few_calls) return false;
  if (boards_.OfAnotherUser()) {
    LeaveBoard(now);
  } else if (!boards_.Outdated() || !OpenAnother(now)) {
    CountOthers(-1, now);
    return false;
  }
  enrol_until_ns_ = now + kEnrolNs;
  return true;
}

// A process that has dropped its rights must not be able to harm those that kept them.
void Caps::LeaveBoard(uint64_t now) {
  const uint32_t member = member_.exchange(kNoEntry, std::memory_order_acq_rel);
  if (member != kNoEntry) Shared().Leave(member, now);
  boards_.Leave();
  log::Write(log::Level::kWarn, log::Event::kBoardMoved, {log::Field::Text("reason", "user")},
             "the process runs as another user than at its first connect: caps of scope service "
             "and user count this process alone from now on");
}

bool Caps::OpenAnother(uint64_t now) {
  const Board& former = Shared();
  char problem[256];
  if (!boards_.OpenAgain(problem)) return false;
  member_.store(kNoEntry, std::memory_order_release);
  const bool removed = former.attached();
  if (removed) CarryOver(former, now);
  const log::Field reason = log::Field::Text("reason", removed ? "removed" : "none");
  if (removed) {
    log::Write(log::Level::kWarn, log::Event::kBoardMoved, {reason},
               "the board of caps in %s was removed while it was in use: the connections of this "
               "process count on the new one; no clean-up job should remove files there",
               start_.directory);
  } else {
    log::Write(log::Level::kWarn, log::Event::kBoardMoved, {reason},
               "caps of scope service and user count all processes of %s from now on",
               start_.directory);
  }
  return true;
}

// Enters on the new board what operators had put in force on the one that was removed.
void Caps::CarryOver(const Board& from, uint64_t now) {
  for (uint32_t i = 0; i < from.policies_used(); ++i) {
    Record record = from.record(i);
    record.filed.name[kMaxPolicyName] = '\0';
    record.service[sizeof(record.service) - 1] = '\0';
    const bool changed = record.origin != kFromNobody && record.overridden != 0;
    if (record.origin != kFromOperator && !changed) continue;
    bool differs = false;
    const uint32_t number =
        Shared().Install(record.filed, record.service, static_cast<Origin>(record.origin),
                         record.source, record.stamp, now, &differs);
    if (number < kMaxPolicies && changed)
      Shared().Override(number, record.rule, static_cast<int32_t>(record.changed_by), now);
  }
}

// Returns the same policies by their numbers on the current board.
uint64_t Caps::Translate(uint64_t policies, const Board& from) const {
  uint64_t translated = 0;
  ForEach(policies, [&](uint32_t i) {
    const Record& record = from.record(i);
    for (uint32_t j = 0; j < Shared().policies_used(); ++j) {
      const Record& other = Shared().record(j);
      if (other.origin != kFromNobody &&
          strncmp(record.filed.name, other.filed.name, sizeof(record.filed.name)) == 0 &&
          strncmp(record.service, other.service, sizeof(record.service)) == 0)
        translated |= Bit(j);
    }
  });
  return translated;
}

// Moves a claim from a board that was left to the current one, where it goes on or waits.
Outcome Caps::MoveOver(Claim& claim, const Outcome& before, uint64_t now) {
  Board& from = boards_.At(claim.board);
  const uint64_t own_mask = own_mask_.load(std::memory_order_acquire);
  Board& board = Shared();
  // If the process left another user's board, `from` is empty and the policies are on the own
  // board.
  const uint64_t policies =
      board.attached() ? Translate(claim.ask.policies & ~own_mask, from) : uint64_t{0};
  from.Withdraw(before.entry, before.ticket, now);
  claim.board = boards_.number();
  claim.shared = kNoEntry;
  claim.ask.policies = (claim.ask.policies & own_mask) | policies;
  if (before.answer != Answer::kWait && before.answer != Answer::kGo) return before;
  const uint32_t member = policies != 0 ? Join(now) : kNoEntry;
  if (member == kNoEntry) return {};
  // A grant on the old board means nothing here: the connections that hold places move over as
  // well.
  Ask ask = claim.ask;
  ask.now = now;
  ask.deadline = before.deadline_ns;
  return board.Enter(RequestOf(ask, board, member, policies));
}

// If `directory` is -1, opens it here when it is time.
void Caps::CountOthers(int directory, uint64_t now) {
  const uint64_t interval = others_ != 0 ? kSomeOthersIntervalNs : kOthersIntervalNs;
  if (!Shared().attached() || (others_at_ns_ != 0 && now < others_at_ns_ + interval)) return;
  Sought sought[kMaxPolicies];
  uint32_t numbers[kMaxPolicies];
  uint32_t count = 0;
  ForEach(applying_.load(std::memory_order_relaxed) & ~own_mask_.load(std::memory_order_relaxed),
          [&](uint32_t i) {
            if (policies_[i].kind != kCap) return;
            numbers[count] = i;
            sought[count++] = {&policies_[i],
                               policies_[i].scope == kScopeUser ? "" : start_.service, 0};
          });
  if (count == 0) return;
  others_at_ns_ = now;
  const int fd = directory >= 0 ? directory : boards_.OpenDirectory();
  if (fd < 0) return;
  const uint32_t boards = CountOnOtherBoards(fd, start_.uid, start_.place, sought, count);
  if (fd != directory) close(fd);
  if (boards == 0 && others_ == 0) return;
  uint64_t in_use = 0;
  for (uint32_t i = 0; i < count; ++i) {
    Shared().CountElsewhere(numbers[i], sought[i].use, now);
    in_use += sought[i].use;
  }
  if (boards != others_)
    log::Write(
        log::Level::kWarn, log::Event::kBoardOthers,
        {log::Field::Number("boards", boards), log::Field::Number("in_use", in_use)},
        "boards of %u other versions of the library are in use in %s: %llu connections there "
        "count towards the caps here; restart the processes that still run another version",
        boards, start_.directory, static_cast<unsigned long long>(in_use));
  others_ = boards;
}

}  // namespace pqleash::caps
