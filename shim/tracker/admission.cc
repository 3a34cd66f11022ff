// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/admission.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "shim/caps/refusal.h"
#include "shim/log/log.h"
#include "shim/support/clock.h"
#include "shim/support/hash.h"
#include "shim/tracker/process.h"
#include "shim/tracker/sandbox.h"

namespace pqleash::tracker {

namespace {

using caps::Answer;
using caps::Outcome;

constexpr uint64_t kSecond = 1'000'000'000;

bool IsRefusal(const Outcome& outcome) {
  return outcome.answer == Answer::kRefused || outcome.answer == Answer::kTimedOut;
}

// The policies that speak of the connect. Where that depends on its target, libpq is asked for it,
// and the answer kept for the next connect with the same arguments and environment.
uint64_t PoliciesFor(Process& process, const libpq::Attempt& attempt,
                     libpq::Destination& destination, uint64_t call_site) {
  caps::Caps& caps = process.caps;
  if (caps.Conditional() == 0) return caps.Sure(call_site);
  const uint64_t version = caps.version();
  const uint64_t arguments = attempt.Hash();  // 0 of a reset
  const uint64_t key = Mix(Mix(arguments, call_site), version);
  uint64_t policies = 0;
  if (arguments != 0 && process.policy_cache.Find(key, &policies)) return policies;
  const libpq::Resolved* target = destination.Find();
  if (target == nullptr) return caps.Sure(call_site);  // libpq will say what is wrong with it
  policies = caps.Matching(
      {target->host, target->port, target->dbname, target->user, target->application_name},
      call_site);
  if (arguments != 0) process.policy_cache.Store(key, policies);
  return policies;
}

// For readers of the ledger: a cap that is not in force looks like one that nobody reaches.
void NoteLockedOut(Process& process) {
  std::atomic_ref since(process.ledger.header().caps_locked_out_since_ns);
  const uint64_t now = process.caps.LockedOutSince();
  if (since.load(std::memory_order_relaxed) != now) since.store(now, std::memory_order_relaxed);
}

Admission Refuse(Process& process, uint32_t slot, const Outcome& outcome) {
  char text[caps::kRefusalSize];
  process.caps.Explain(outcome, text);
  // held_back puts the newline there itself.
  text[strcspn(text, "\n")] = '\0';
  process.held_back.SetText(slot, text);
  return {Admission::kRefuse, 0};
}

// A thread that is cancelled while it waits, as it would be in libpq's own poll().
struct Waiter {
  Process* process;
  uint32_t slot;
};
void Abandon(void* waiter) {
  auto [process, slot] = *static_cast<Waiter*>(waiter);
  process->caps.GiveBack(slot, Now());
  process->lifecycle.Ended(slot, Now());
}

// Until the connect may go, or is refused.
Outcome AwaitGrant(Process& process, uint32_t slot, Outcome outcome) {
  Waiter waiter = {&process, slot};
  pthread_cleanup_push(Abandon, &waiter);
  while (outcome.answer == Answer::kWait) {
    log::Flush();  // who is waited for
    outcome = process.caps.Await(slot);
  }
  pthread_cleanup_pop(0);
  return outcome;
}

Admission WaitInPlace(Process& process, uint32_t slot, const Outcome& outcome, uint64_t began,
                      libpq::Destination& destination, bool reset) {
  const libpq::Resolved* target = reset ? nullptr : destination.Find();
  const uint64_t timeout = target != nullptr ? target->connect_timeout_s * kSecond : 0;
  const auto before = static_cast<ledger::ConnectionState>(process.connections.At(slot).state);
  process.lifecycle.Waiting(slot, began);
  if (timeout != 0) process.caps.Shorten(slot, began + timeout);
  const Outcome end = AwaitGrant(process, slot, outcome);
  const uint64_t now = Now();
  if (IsRefusal(end)) return Refuse(process, slot, end);  // the slot goes from waiting to refused
  process.lifecycle.Resumed(slot, before, now);
  if (timeout == 0) return {Admission::kProceed, 0};
  // What is left of connect_timeout, which libpq takes in whole seconds.
  const uint64_t left = began + timeout > now ? began + timeout - now : 0;
  const auto seconds = static_cast<uint32_t>(std::max<uint64_t>((left + kSecond - 1) / kSecond, 1));
  return {Admission::kProceed, seconds < target->connect_timeout_s ? seconds : 0};
}

// An asynchronous connect that has to wait. Its host must not be blocked.
Admission Park(Process& process, const ConnectCall& call, const libpq::Attempt& attempt,
               Outcome outcome) {
  if (CanPark(call, attempt) && process.parking.Park(call.slot)) return {Admission::kPark, 0};
  if (process.caps.policy(outcome.policy).async_fallback == caps::kFallbackAdmit) {
    process.caps.AdmitBeyond(call.slot, Now());
    return {Admission::kProceed, 0};
  }
  process.caps.GiveBack(call.slot, Now());
  outcome.answer = Answer::kRefused;
  return Refuse(process, call.slot, outcome);
}

}  // namespace

[[gnu::weak]] Admission Admit(const ConnectCall& call, const libpq::Attempt& attempt,
                              libpq::Destination& destination) noexcept {
  Process& process = *call.process;
  caps::Caps& caps = process.caps;
  caps.Refresh(CoarseNow());
  NoteLockedOut(process);
  if (!caps.Any()) return {Admission::kProceed, 0};
  if (attempt.IsReset()) {
    // The connection that is reset has its places already.
    if (caps.Holds(call.slot)) return {Admission::kProceed, 0};
    caps.GiveBack(call.slot, Now());
  }
  const uint64_t call_site = process.CallSiteId(call.slot);
  const uint64_t policies = PoliciesFor(process, attempt, destination, call_site);
  caps.Open(call.slot);
  if (policies == 0) return {Admission::kProceed, 0};
  // Counting and waiting take system calls that a filter may kill for.
  if (FilterExpected() && FilterCame()) return {Admission::kProceed, 0};
  const bool asynchronous = attempt.IsAsynchronous();
  // A moment ago: when the connect, or the reset, began.
  const uint64_t now = process.connections.At(call.slot).started_ns;
  const Outcome outcome = caps.Enter({.slot = call.slot,
                                      .policies = policies,
                                      .call_site = call_site,
                                      .now = now,
                                      .since = 0,
                                      .deadline = 0,
                                      .may_wait = true,
                                      .parked = asynchronous});
  if (IsRefusal(outcome)) return Refuse(process, call.slot, outcome);
  if (outcome.answer != Answer::kWait) return {Admission::kProceed, 0};
  if (asynchronous) return Park(process, call, attempt, outcome);
  return WaitInPlace(process, call.slot, outcome, now, destination, attempt.IsReset());
}

[[gnu::weak]] void ExplainRefusal(Process& process, uint32_t slot) noexcept {
  Refuse(process, slot, process.caps.Latest(slot));
}

}  // namespace pqleash::tracker
