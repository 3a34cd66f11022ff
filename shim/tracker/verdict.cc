// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/verdict.h"

#include "shim/caps/clerk.h"
#include "shim/libpq/nested_poll.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"
#include "shim/tracker/admission.h"
#include "shim/tracker/process.h"

namespace pqleash::tracker {

namespace {

// A host that is refused or parked is told where it would have been connected to.
bool Describe(ConnectCall& call, libpq::Destination& destination) {
  const libpq::Resolved* resolved = destination.Find();
  if (resolved == nullptr) return false;
  call.target = call.process->targets.Intern({resolved->host, resolved->port, resolved->dbname,
                                              resolved->user, resolved->application_name});
  call.process->held_back.SetTarget(call.slot, resolved->host, resolved->port);
  return true;
}

// Chooses how the verdict is carried out. Whatever cannot be, is not: the connect goes on.
void Arrange(ConnectCall& call, const libpq::Attempt& attempt, libpq::Destination& destination) {
  const Admission& admission = call.admission;
  if (admission.verdict == Admission::kProceed) {
    if (admission.timeout_s != 0 && !attempt.IsReset() && !attempt.IsAsynchronous())
      call.step = ConnectCall::kInstead;
    return;
  }
  if (!Describe(call, destination)) return Proceed(call);
  if (libpq::NestedPollSeen(*call.copy)) {
    libpq::OrderAnswer(call.copy, admission.verdict == Admission::kPark
                                      ? libpq::PollAnswer::kWriting
                                      : libpq::PollAnswer::kFailed);
    return;
  }
  if (admission.verdict == Admission::kPark) return Proceed(call);
  if (!attempt.IsReset()) {
    call.step = ConnectCall::kInstead;
  } else if (call.copy->status(attempt.conn) == CONNECTION_BAD) {
    call.step = ConnectCall::kAnswered;
  } else {  // only libpq can end what is there
    Proceed(call);
  }
}

// Lets the server know the call site by application_name, where that is asked for. A reset keeps
// the name that the connection has.
void Tag(ConnectCall& call, const libpq::Attempt& attempt, libpq::Destination& destination) {
  if (!call.process->settings.tag_application_name || attempt.IsReset() ||
      call.admission.verdict == Admission::kRefuse)
    return;
  const uint64_t call_site = call.process->CallSiteId(call.slot);
  const libpq::Resolved* resolved = call_site != 0 ? destination.Find() : nullptr;
  if (resolved != nullptr &&
      TagApplicationName(resolved->application_name, call_site, call.application_name))
    call.step = ConnectCall::kInstead;
}

// A message for whoever reads it past us. No traffic: the name of the algorithm is looked at first.
void LeaveMessage(const Call& call, PGconn* conn) {
  auto* encrypt = reinterpret_cast<decltype(&PQencryptPasswordConn)>(
      call.Real(Function::kPQencryptPasswordConn));
  if (encrypt == nullptr) return;
  char text[sizeof(HeldBackSlot::text)];
  call.process->held_back.CopyText(call.slot, text);
  encrypt(conn, "", "", text);
}

void SetRefused(const Call& call, PGconn* conn, const Endpoint& endpoint, bool for_good) {
  if (!for_good) LeaveMessage(call, conn);
  call.process->held_back.Refuse(call.slot, for_good);
  call.process->lifecycle.Refused(call.slot, endpoint, Now());
}

// The time of a parked connect is over. Its libpq is told so, too: a reset whose poll fails.
void EndParking(const Call& call, PGconn* conn) {
  Process& process = *call.process;
  process.parking.Unpark(call.slot);
  ExplainRefusal(process, call.slot);
  libpq::OrderAnswer(call.copy, libpq::PollAnswer::kFailed);
  if (auto* reset = reinterpret_cast<decltype(&PQresetStart)>(call.Real(Function::kPQresetStart))) {
    reset(conn);
  }
  libpq::WithdrawOrder();
  auto& record = process.ledger.At<ledger::ConnectionSlot>(ledger::kConnections, call.slot);
  SetRefused(call, conn, {ledger::Load(record.target), 0}, false);
}

}  // namespace

bool CanPark(const Call& call, const libpq::Attempt& attempt) noexcept {
  return attempt.IsAsynchronous() && libpq::NestedPollSeen(*call.copy);
}

void Proceed(ConnectCall& call) {
  if (call.admission.verdict == Admission::kPark) {
    call.process->parking.Unpark(call.slot);
    call.process->caps.AdmitBeyond(call.slot, Now());  // it waits no longer, and counts
  }
  call.admission = {};
}

void AskCaps(ConnectCall& call, const libpq::Attempt& attempt) {
  libpq::Destination destination(*call.copy, attempt);
  call.admission = Admit(call, attempt, destination);
  Arrange(call, attempt, destination);
  Tag(call, attempt, destination);
}

bool HeldBackNow(ConnectCall& call, PGconn* conn, ledger::ConnectionState resumes_as) {
  const bool taken = libpq::WithdrawOrder();
  if (call.admission.verdict == Admission::kRefuse) {
    const bool for_good = call.step == ConnectCall::kInstead;
    if (!taken && call.step == ConnectCall::kReal) return false;
    SetRefused(call, conn, {call.target, 0}, for_good);
    return true;
  }
  if (call.admission.verdict != Admission::kPark) return false;
  if (!taken) {
    Proceed(call);
    return false;
  }
  Process& process = *call.process;
  process.held_back.Park(call.slot, process.parking.Socket(call.slot), resumes_as);
  process.lifecycle.Waiting(call.slot, Now());
  return true;
}

void EndHoldingBack(Process& process, uint32_t slot) {
  if (process.held_back.GuiseOf(slot) == Guise::kParked) process.parking.Unpark(slot);
  process.held_back.Release(slot);
}

void PollHeldBack(ConnectCall& call, PGconn* conn) {
  Process& process = *call.process;
  const Guise guise = process.held_back.GuiseOf(call.slot);
  if (guise == Guise::kNone) return;
  const ErrnoKeeper errno_keeper;
  call.step = ConnectCall::kAnswered;
  if (guise != Guise::kParked) return;
  switch (process.parking.Look(call.slot, Now())) {
    case caps::Parked::kWaiting:
      call.answer = PGRES_POLLING_READING;
      return;
    case caps::Parked::kRefused:
      EndParking(call, conn);
      return;
    case caps::Parked::kGranted:
      break;
  }
  process.lifecycle.Resumed(
      call.slot, static_cast<ledger::ConnectionState>(process.held_back.At(call.slot).resumes_as),
      Now());
  EndHoldingBack(process, call.slot);
  call.step = ConnectCall::kReal;
}

}  // namespace pqleash::tracker
