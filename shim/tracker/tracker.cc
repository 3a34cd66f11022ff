// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/tracker.h"

#include <sys/prctl.h>
#include <unistd.h>

#include "shim/libpq/copies.h"
#include "shim/libpq/failure.h"
#include "shim/libpq/nested_poll.h"
#include "shim/log/log.h"
#include "shim/stack/capture.h"
#include "shim/stack/script/interpreters.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"
#include "shim/support/own_code.h"
#include "shim/tracker/adoption.h"
#include "shim/tracker/close_event.h"
#include "shim/tracker/exit.h"
#include "shim/tracker/inheritance.h"
#include "shim/tracker/process.h"
#include "shim/tracker/sandbox.h"
#include "shim/tracker/verdict.h"

namespace pqleash::tracker {

namespace {

// What a thread carries from call to call. Static TLS: the library is there from the start of the
// process.
struct ThreadState {
  // The copy of libpq that the thread is in, by a wrapper of ours. A longjmp or a cancellation out
  // of libpq leaves a stale value, which is only ever used for calls that come from libpq or from
  // ourselves.
  const libpq::Copy* inside;
  const Process* owner;  // of the two below: a forked child has another
  int32_t tid;
  char name[16];
};
constinit thread_local ThreadState thread __attribute__((tls_model("initial-exec"))) = {};

const ThreadState& ThisThread(const Process* process) {
  if (thread.owner != process) {
    thread.tid = ThreadId();
    if (!FilterExpected()) prctl(PR_GET_NAME, thread.name);
    thread.owner = process;
  }
  return thread;
}

// libpq calls its exported functions through the linker (PQconnectdb calls PQconnectStart, which
// calls PQconnectPoll), but for builds with -Bsymbolic-functions. Such a call is part of one that
// we have seen already. It is told by where it comes from, not by counting depth: the host may well
// call libpq from a notice processor, and may leave libpq by longjmp. A return address in our own
// code is that of a wrapper whose real function left by a tail call (PQcancelFinish jumps to
// PQfinish).
const libpq::Copy* InsideLibpq(const void* caller) {
  if (const libpq::Copy* copy = libpq::Containing(caller)) return copy;
  return OwnCode(caller) ? thread.inside : nullptr;
}

Call PassThrough(const libpq::Copy* copy) {
  const Call call = {copy, thread.inside, nullptr, kNoSlot, 0};
  if (copy != nullptr) thread.inside = copy;
  return call;
}

void Leave(const Call& call) { thread.inside = call.outer; }

// A call of libpq by itself for a connection that it opened without a call of ours being under way
// on this thread: its creator was called past us. The ledger is made for this alone, too: it is the
// only trace.
void NoteBypass(const Call& call) {
  if (call.outer != nullptr) return;
  if (Process* process = Process::CurrentOrCreate())
    ledger::Count(process->ledger.header().bypassed_calls);
}

uint32_t BookStack(Process* process, const void* caller) {
  const LoaderState loader = ReadLoaderState();
  stack::Stack stack;
  stack::CaptureFrom(caller, process->settings.stack_depth, loader, &stack);
  if (process->settings.script_frames) {
    stack::CaptureScript(process->script_frames, process->settings.stack_depth, loader, &stack);
  }
  return process->call_sites.Book(stack, loader);
}

// The copy for a connection that nobody knows: opened past us, or beyond the capacity.
const libpq::Copy* ServingCopy(Function function, const Caller& caller) {
  return caller.bound != nullptr ? caller.bound : libpq::ForCaller(function, caller.address).copy;
}

// Of an attached process: it may have been open before. kNoSlot: it was not, or is left alone.
uint32_t Adopt(Process& process, Function function, const PGconn* conn, const Caller& caller) {
  TakeWaiting(process);
  const uint32_t slot = process.connections.Find(conn);
  if (slot != kNoSlot || function == Function::kPQfinish) return slot;
  const libpq::Copy* copy = ServingCopy(function, caller);
  return copy != nullptr ? AdoptUsed(process, *copy, const_cast<PGconn*>(conn)) : kNoSlot;
}

// For a connection that is not in this process's table.
[[gnu::noinline]] Call RouteUnrecorded(Function function, const PGconn* conn,
                                       const Caller& caller) {
  const ErrnoKeeper errno_keeper;
  Process* const current = conn != nullptr ? Process::Current() : nullptr;
  if (current != nullptr && current->attached()) {
    const uint32_t adopted = Adopt(*current, function, conn, caller);
    const libpq::Copy* copy =
        adopted != kNoSlot ? libpq::Serving(current->connections.At(adopted).libpq) : nullptr;
    if (copy != nullptr) {
      Call call = PassThrough(copy);
      call.process = current;
      call.slot = adopted;
      return call;
    }
  }
  const uint32_t slot = conn != nullptr ? FindInherited(conn) : kNoSlot;
  const libpq::Copy* copy = slot != kNoSlot ? InheritedCopy(slot) : nullptr;
  if (copy == nullptr) return PassThrough(ServingCopy(function, caller));
  Call call = PassThrough(copy);
  call.process = Process::CurrentOrCreate();
  if (call.process == nullptr) return call;
  const ThreadState& self = ThisThread(call.process);
  const uint32_t site = BookStack(call.process, caller.address);
  call.slot = Inherit(*call.process, slot, conn,
                      {site, call.process->function_names[Index(function)], self.tid, self.name});
  return call;
}

// Finds the slot of a connection that the host uses, and the copy that serves it.
[[gnu::always_inline]] inline Call RouteHost(Function function, const PGconn* conn,
                                             const Caller& caller) {
  if (Process* process = Process::Current()) {
    const uint32_t slot = conn != nullptr ? process->connections.Find(conn) : kNoSlot;
    const libpq::Copy* copy =
        slot != kNoSlot ? libpq::Serving(process->connections.At(slot).libpq) : nullptr;
    if (copy != nullptr) {
      const Call call = {copy, thread.inside, process, slot, 0};
      thread.inside = copy;
      return call;
    }
  }
  return RouteUnrecorded(function, conn, caller);
}

Call Route(Function function, const PGconn* conn, const Caller& caller) {
  if (const libpq::Copy* copy = InsideLibpq(caller.address)) return PassThrough(copy);
  return RouteHost(function, conn, caller);
}

// The application_name that the program itself chose.
const char* OwnName(const Call& call, const char* name, char (&memory)[kMaxApplicationName + 1]) {
  if (name == nullptr || !call.process->settings.tag_application_name) return name;
  const std::string_view own =
      WithoutTag(name, call.process->CallSiteId(call.slot)).substr(0, kMaxApplicationName);
  memory[own.copy(memory, own.size())] = '\0';
  return memory;
}

Endpoint AskEndpoint(const Call& call, PGconn* conn) {
  const libpq::Copy& copy = *call.copy;
  ledger::TargetText text = {};
  if (copy.host != nullptr) text.host = copy.host(conn);
  if (copy.port != nullptr) text.port = copy.port(conn);
  if (copy.db != nullptr) text.dbname = copy.db(conn);
  if (copy.user != nullptr) text.user = copy.user(conn);
  char own_name[kMaxApplicationName + 1];
  if (copy.parameter_status != nullptr)
    text.application_name =
        OwnName(call, copy.parameter_status(conn, "application_name"), own_name);
  return {call.process->targets.Intern(text),
          copy.backend_pid != nullptr ? copy.backend_pid(conn) : 0};
}

// Those of the first failure of a class are kept: later ones differ in little but the time.
ledger::StringRef WordsOf(Process& process, const libpq::Failure& failure) {
  if (ledger::Load(process.ledger.header().failures[failure.reason].text) != 0) return 0;
  return process.strings.Intern(failure.text);
}

// What has come of a connect, for the slot, and for paces: a server that is full is given time.
void Conclude(const Call& call, PGconn* conn, const Endpoint& endpoint, bool established) {
  Process& process = *call.process;
  const uint64_t now = Now();
  if (established) {
    process.caps.Settle(call.slot, false, now);
    process.lifecycle.Established(call.slot, endpoint, now);
    return;
  }
  auto* message = reinterpret_cast<decltype(&PQerrorMessage)>(call.Real(Function::kPQerrorMessage));
  const libpq::Failure failure = libpq::FailureOf(message != nullptr ? message(conn) : nullptr);
  process.caps.Settle(call.slot, libpq::IsFull(failure.reason), now);
  process.lifecycle.Failed(call.slot, endpoint, now);
  process.lifecycle.CountFailure(call.slot, failure.reason, WordsOf(process, failure), now);
}

// Brings the slot in line with what libpq says of the connection after a connect, a poll or a
// reset.
void Settle(const Call& call, PGconn* conn, bool polled_to_the_end) {
  const ConnStatusType status = call.copy->status(conn);
  const bool established = status == CONNECTION_OK && polled_to_the_end;
  if (status == CONNECTION_BAD || established)
    Conclude(call, conn, AskEndpoint(call, conn), established);
}

// What a call gave rise to is written at its end, when no lock is held for it and no place that is
// not used yet.
struct LogAtEnd {
  ~LogAtEnd() { log::Flush(); }
};

bool UnderWay(const Call& call) {
  const uint32_t state = call.process->connections.At(call.slot).state;
  return state == ledger::kConnecting || state == ledger::kResetting;
}

}  // namespace

ConnectCall BeginOpen(const libpq::Attempt& attempt, const Caller& caller) noexcept {
  if (const libpq::Copy* copy = InsideLibpq(caller.address)) {
    const Call call = PassThrough(copy);
    NoteBypass(call);
    return ConnectCall(call);
  }
  const ErrnoKeeper errno_keeper;
  libpq::OrderAnswer(nullptr, libpq::PollAnswer::kNone);  // one that lies inside another
  libpq::Service service = {caller.bound, ledger::kWayLookedUp};
  if (service.copy == nullptr) service = libpq::ForCaller(attempt.function, caller.address);
  // libpq itself, a copy that was not known until now.
  if (service.copy == nullptr || service.copy->Contains(caller.address)) {
    const Call call = PassThrough(service.copy);
    if (service.copy != nullptr) NoteBypass(call);
    return ConnectCall(call);
  }
  ConnectCall call(PassThrough(service.copy));
  call.way = service.way;
  call.process = Process::CurrentOrCreate();
  if (call.process == nullptr) return call;
  if (FilterExpected()) WatchExitAgain();
  const uint32_t number = libpq::Number(service.copy);
  call.process->BookLibpq(number, service.way);
  const ThreadState& self = ThisThread(call.process);
  const uint32_t site = BookStack(call.process, caller.address);
  call.slot = call.process->lifecycle.Begin(
      {site, self.tid, self.name, Now(), static_cast<uint16_t>(number)});
  if (call.slot != kNoSlot) AskCaps(call, attempt);
  return call;
}

bool OpenInstead(const ConnectCall& call, const libpq::Attempt& attempt, PGconn** conn) noexcept {
  if (call.admission.verdict != Admission::kRefuse) {
    const char* name = call.application_name[0] != '\0' ? call.application_name : nullptr;
    return attempt.ConnectWith(*call.copy, {call.admission.timeout_s, name}, conn);
  }
  char text[sizeof(HeldBackSlot::text)];
  call.process->held_back.CopyText(call.slot, text);
  *conn = attempt.Refuse(*call.copy, text);
  return true;
}

void EndOpen(const ConnectCall& begun, PGconn* conn) noexcept {
  Leave(begun);
  if (begun.slot == kNoSlot) return;
  const LogAtEnd log_at_end;
  const ErrnoKeeper errno_keeper;
  ConnectCall call = begun;
  Process& process = *call.process;
  if (conn == nullptr) {  // libpq had no memory for a PGconn
    libpq::WithdrawOrder();
    Proceed(call);
    process.lifecycle.Ended(call.slot, Now());
    return;
  }
  // A PQfinish of the same address passed us by.
  if (!HeldBack::None()) {
    const uint32_t stale = process.connections.Find(conn);
    if (stale != kNoSlot) EndHoldingBack(process, stale);
  }
  // Before anything is asked of libpq: of a connection that is held back not everything may be.
  const bool held_back = HeldBackNow(call, conn, ledger::kConnecting);
  const ConnStatusType status = held_back ? CONNECTION_NEEDED : call.copy->status(conn);
  const bool settled = status == CONNECTION_OK || status == CONNECTION_BAD;
  const Endpoint endpoint = held_back ? Endpoint{call.target, 0} : AskEndpoint(call, conn);
  if (!process.lifecycle.Attach(call.slot, conn, endpoint)) {
    EndHoldingBack(process, call.slot);
    return;
  }
  // Whoever came by another way than the linker's binding may go by another way, too.
  if (call.way != ledger::kWayBound) WatchClose(*call.copy, conn);
  WatchHolders(process);
  if (!settled) return;
  Conclude(call, conn, endpoint, status == CONNECTION_OK);
}

ConnectCall BeginPoll(Function function, PGconn* conn, const Caller& caller) noexcept {
  if (const libpq::Copy* copy = InsideLibpq(caller.address)) {
    ConnectCall call(PassThrough(copy));
    if (function == Function::kPQconnectPoll && libpq::TakeAnswer(copy, &call.answer))
      call.step = ConnectCall::kAnswered;
    return call;
  }
  ConnectCall call(RouteHost(function, conn, caller));
  if (call.slot != kNoSlot && !HeldBack::None()) PollHeldBack(call, conn);
  return call;
}

void EndPoll(const ConnectCall& call, PGconn* conn, PostgresPollingStatusType result) noexcept {
  Leave(call);
  if (call.slot == kNoSlot) return;
  const LogAtEnd log_at_end;
  if (call.step == ConnectCall::kAnswered || !UnderWay(call)) return;
  if (result != PGRES_POLLING_OK && result != PGRES_POLLING_FAILED) return;
  const ErrnoKeeper errno_keeper;
  Settle(call, conn, result == PGRES_POLLING_OK);
}

ConnectCall BeginReset(Function function, PGconn* conn, const Caller& caller) noexcept {
  ConnectCall call(Route(function, conn, caller));
  if (call.slot == kNoSlot) return call;
  const ErrnoKeeper errno_keeper;
  Process& process = *call.process;
  libpq::Attempt attempt = libpq::Attempt::OfReset(function, conn);
  const Guise guise = process.held_back.GuiseOf(call.slot);
  if (guise == Guise::kRefusedForGood) {  // libpq will not do it, without traffic
    call.slot = kNoSlot;
    return call;
  }
  HeldBackSlot before;
  if (guise != Guise::kNone) {
    before = process.held_back.At(call.slot);
    attempt.known_host = before.host;
    attempt.known_port = before.port;
    EndHoldingBack(process, call.slot);
  }
  process.lifecycle.Resetting(call.slot, Now());
  libpq::OrderAnswer(nullptr, libpq::PollAnswer::kNone);
  AskCaps(call, attempt);
  return call;
}

void EndReset(const ConnectCall& begun, PGconn* conn) noexcept {
  Leave(begun);
  if (begun.slot == kNoSlot) return;
  const LogAtEnd log_at_end;
  const ErrnoKeeper errno_keeper;
  ConnectCall call = begun;
  if (HeldBackNow(call, conn, ledger::kResetting)) return;
  Settle(call, conn, true);
}

void EndResetStart(const ConnectCall& begun, PGconn* conn, int started) noexcept {
  Leave(begun);
  if (begun.slot == kNoSlot) return;
  const LogAtEnd log_at_end;
  const ErrnoKeeper errno_keeper;
  ConnectCall call = begun;
  if (HeldBackNow(call, conn, ledger::kResetting) || started != 0) return;
  Settle(call, conn, false);
}

CloseCall BeginClose(Function function, PGconn* conn, const Caller& caller) noexcept {
  CloseCall call = {Route(function, conn, caller), {}};
  // Before the real PQfinish: the moment that it returns, the address may belong to another
  // thread's new connection.
  if (call.slot != kNoSlot) {
    const ErrnoKeeper errno_keeper;
    EndHoldingBack(*call.process, call.slot);
    call.process->connections.Remove(conn);
    call.closer = stack::WhoCloses();
  }
  return call;
}

void EndClose(const CloseCall& call) noexcept {
  Leave(call);
  if (call.slot == kNoSlot) return;
  const LogAtEnd log_at_end;
  const ErrnoKeeper errno_keeper;
  call.process->caps.Refresh(CoarseNow());
  call.process->lifecycle.ClosedBy(call.slot, call.closer, Now());
}

Call BeginWork(Function function, bool command, PGconn* conn, const Caller& caller) noexcept {
  const Call call =
      RouteHost(function, conn, caller);  // the wrapper has seen that it is not libpq calling
  if (call.slot == kNoSlot) return call;
  auto& record = call.process->ledger.At<ledger::ConnectionSlot>(ledger::kConnections, call.slot);
  const uint64_t now = CoarseNow();
  ledger::Store(record.last_activity_ns, now);
  ledger::Store(record.in_call, call.process->function_names[Index(function)]);
  if (command) {
    const uint64_t commands = ledger::Load(record.commands) + 1;
    ledger::Store(record.commands, commands);
    if (commands == 1) WatchHolders(*call.process);
    Connection& connection = call.process->connections.At(call.slot);
    if (connection.busy_since_ns == 0 && connection.state == ledger::kEstablished) {
      const bool takes_up = call.process->use_stacks.TakesUp(connection, record);
      call.process->lifecycle.Busy(connection, record, now);
      // Only now: a stack takes a while, and what is a handover is told by how little has passed.
      if (takes_up) call.process->use_stacks.Note(*call.process, call.slot, caller.address, now);
    }
  }
  return call;
}

void EndWork(const Call& call, PGconn* conn) noexcept {
  Leave(call);
  if (call.slot == kNoSlot) return;
  auto& record = call.process->ledger.At<ledger::ConnectionSlot>(ledger::kConnections, call.slot);
  const PGTransactionStatusType transaction = call.copy->transaction_status(conn);
  ledger::Store(record.transaction, static_cast<uint32_t>(transaction));
  ledger::Store(record.in_call, 0u);
  const uint64_t now = CoarseNow();
  ledger::Store(record.last_activity_ns, now);
  const Connection& connection = call.process->connections.At(call.slot);
  if (transaction == PQTRANS_IDLE && connection.busy_since_ns != 0)
    call.process->lifecycle.Idle(call.slot, now);
  const uint32_t state = connection.state;
  if (state == ledger::kEstablished ? transaction != PQTRANS_UNKNOWN : !UnderWay(call)) return;
  const ErrnoKeeper errno_keeper;
  const ConnStatusType status = call.copy->status(conn);
  if (state == ledger::kEstablished && status == CONNECTION_BAD) {
    call.process->lifecycle.Broken(call.slot, Now());
  } else if (UnderWay(call) && status == CONNECTION_OK) {
    // Polled to the end past us.
    Conclude(call, conn, AskEndpoint(call, conn), true);
  }
}

Reading ReadState(Function function, const PGconn* conn, const Caller& caller) noexcept {
  if (Process* process = Process::Current()) {
    const uint32_t slot = conn != nullptr ? process->connections.Find(conn) : kNoSlot;
    if (slot != kNoSlot) {
      const bool held_back = process->held_back.GuiseOf(slot) != Guise::kNone;
      if (held_back) return {nullptr, &process->held_back.At(slot)};
      if (const libpq::Copy* copy = libpq::Serving(process->connections.At(slot).libpq))
        return {copy, nullptr};
    }
  }
  const ErrnoKeeper errno_keeper;
  const uint32_t inherited = conn != nullptr ? FindInherited(conn) : kNoSlot;
  const libpq::Copy* copy = inherited != kNoSlot ? InheritedCopy(inherited) : nullptr;
  return {copy != nullptr ? copy : ServingCopy(function, caller), nullptr};
}

HeldBackSlot* HeldBackAs(const PGconn* conn) noexcept {
  Process* process = HeldBack::None() || conn == nullptr ? nullptr : Process::Current();
  if (process == nullptr) return nullptr;
  const uint32_t slot = process->connections.Find(conn);
  const bool held_back = slot != kNoSlot && process->held_back.GuiseOf(slot) != Guise::kNone;
  return held_back ? &process->held_back.At(slot) : nullptr;
}

Call BeginExempt(Function function, const void* object, const Caller& caller) noexcept {
  if (const libpq::Copy* copy = InsideLibpq(caller.address)) return PassThrough(copy);
  const Process* process = Process::Current();
  const uint32_t slot = process != nullptr && object != nullptr
                            ? process->connections.Find(static_cast<const PGconn*>(object))
                            : kNoSlot;
  const ErrnoKeeper errno_keeper;
  const libpq::Copy* copy =
      slot != kNoSlot ? libpq::Serving(process->connections.At(slot).libpq) : nullptr;
  return PassThrough(copy != nullptr ? copy : ServingCopy(function, caller));
}

void EndExempt(const Call& call) noexcept { Leave(call); }

}  // namespace pqleash::tracker
