// SPDX-License-Identifier: Apache-2.0
//
// How a wrapper of each role works: Begin, the real function, End. No logic: that is the tracker's.
//
// For translation units that are compiled with -fno-exceptions, and with unwind tables: a thread
// that is cancelled in libpq's poll() is unwound through these frames as through libpq's own, and
// an exception that a host's callback throws through libpq passes as it would have without us. A
// function with a landing pad, or one that the compiler makes call std::terminate because it is
// noexcept, would end the host instead.

#ifndef PQLEASH_SHIM_INTERPOSE_CALLS_H_
#define PQLEASH_SHIM_INTERPOSE_CALLS_H_

#include <libpq-fe.h>

#include <type_traits>

#include "shim/interpose/function.h"
#include "shim/interpose/intercepted.h"
#include "shim/libpq/copies.h"
#include "shim/support/host_state.h"
#include "shim/tracker/tracker.h"

// Functions of libpq 14 to 18 that an older libpq-fe.h does not declare. Declaring them here, in
// the words of the newer headers, makes the compiler compare the rest of functions.def with the
// header that is installed.
extern "C" {
PGresult* PQclosePrepared(PGconn* conn, const char* statement);
PGresult* PQclosePortal(PGconn* conn, const char* portal);
int PQsendClosePrepared(PGconn* conn, const char* statement);
int PQsendClosePortal(PGconn* conn, const char* portal);
PGresult* PQchangePassword(PGconn* conn, const char* user, const char* password);
int PQsendPipelineSync(PGconn* conn);
int PQsendFlushRequest(PGconn* conn);
int PQpipelineSync(PGconn* conn);
PGcancelConn* PQcancelCreate(PGconn* conn);
int PQcancelStart(PGcancelConn* cancel);
int PQcancelBlocking(PGcancelConn* cancel);
PostgresPollingStatusType PQcancelPoll(PGcancelConn* cancel);
void PQcancelReset(PGcancelConn* cancel);
void PQcancelFinish(PGcancelConn* cancel);
}

namespace pqleash {

using tracker::Call;
using tracker::Caller;
using tracker::CloseCall;
using tracker::ConnectCall;
using tracker::HeldBackSlot;

// What a wrapper returns when nothing in the process defines the function, so that without us the
// program could not have called it: the function's own 'failed' (NULL, 0, BAD).
template <typename Result>
Result Missing() {
  return Result();
}

template <typename Conn, typename... Rest>
Conn* FirstOf(Conn* conn, Rest...) {
  return conn;
}
template <typename... Arguments>
const void* ObjectOf(Arguments...) {
  return nullptr;
}
template <typename... Rest>
const void* ObjectOf(PGconn* conn, Rest...) {
  return conn;
}
template <typename... Rest>
const void* ObjectOf(PGcancelConn* cancel, Rest...) {
  return cancel;
}

// One type a role: how a call of that role begins and ends.
template <Function function>
struct Open {
  template <typename... Arguments>
  static ConnectCall Begin(const Caller& caller, Arguments... arguments) {
    return tracker::BeginOpen(libpq::Attempt::Of(function, arguments...), caller);
  }
  template <typename... Arguments>
  static bool Instead(const ConnectCall& call, PGconn** result, Arguments... arguments) {
    return tracker::OpenInstead(call, libpq::Attempt::Of(function, arguments...), result);
  }
  template <typename... Arguments>
  static void End(const ConnectCall& call, PGconn* result, Arguments...) {
    tracker::EndOpen(call, result);
  }
};

template <Function function>
struct Poll {
  static ConnectCall Begin(const Caller& caller, PGconn* conn) {
    return tracker::BeginPoll(function, conn, caller);
  }
  static PostgresPollingStatusType Answer(const ConnectCall& call) { return call.answer; }
  static void End(const ConnectCall& call, PostgresPollingStatusType result, PGconn* conn) {
    tracker::EndPoll(call, conn, result);
  }
};

template <Function function>
struct Reset {
  static ConnectCall Begin(const Caller& caller, PGconn* conn) {
    return tracker::BeginReset(function, conn, caller);
  }
  static void End(const ConnectCall& call, PGconn* conn) { tracker::EndReset(call, conn); }
};

template <Function function>
struct ResetStart {
  static ConnectCall Begin(const Caller& caller, PGconn* conn) {
    return tracker::BeginReset(function, conn, caller);
  }
  static int Answer(const ConnectCall&) { return 0; }
  static void End(const ConnectCall& call, int result, PGconn* conn) {
    tracker::EndResetStart(call, conn, result);
  }
};

template <Function function>
struct Close {
  static CloseCall Begin(const Caller& caller, PGconn* conn) {
    return tracker::BeginClose(function, conn, caller);
  }
  static void End(const CloseCall& call, PGconn*) { tracker::EndClose(call); }
};

template <Function function, bool command>
struct AnyWork {
  // libpq's calls of itself while it works (PQexec calls PQsendQuery and PQgetResult) go straight
  // on.
  static constexpr bool kShortCut = true;
  template <typename... Arguments>
  static Call Begin(const Caller& caller, Arguments... arguments) {
    return tracker::BeginWork(function, command, FirstOf(arguments...), caller);
  }
  template <typename Result, typename... Arguments>
  static void End(const Call& call, Result, Arguments... arguments) {
    tracker::EndWork(call, FirstOf(arguments...));
  }
};
template <Function function>
using Work = AnyWork<function, false>;
template <Function function>
using Command = AnyWork<function, true>;

// What a connection that is held back says of itself in libpq's place. One type a function. libpq's
// own calls go straight on, but for those that read out of bounds: PQconnectionNeedsPassword calls
// PQpass.
template <Function function>
struct State;
template <>
struct State<Function::kPQstatus> {
  static ConnStatusType Answer(const HeldBackSlot& slot) { return slot.Status(); }
};
template <>
struct State<Function::kPQsocket> {
  static int Answer(const HeldBackSlot& slot) { return slot.Socket(); }
};
template <>
struct State<Function::kPQerrorMessage> {
  static char* Answer(HeldBackSlot& slot) { return slot.ErrorMessage(); }
};
template <>
struct State<Function::kPQhost> {
  static constexpr bool kInsideToo = true;
  static char* Answer(HeldBackSlot& slot) { return slot.host; }
};
template <>
struct State<Function::kPQport> {
  static constexpr bool kInsideToo = true;
  static char* Answer(HeldBackSlot& slot) { return slot.port; }
};
// Never kept, and therefore not to be told.
template <>
struct State<Function::kPQpass> {
  static constexpr bool kInsideToo = true;
  static char* Answer(HeldBackSlot& slot) { return slot.empty; }
};

template <Function function>
struct Exempt {
  template <typename... Arguments>
  static Call Begin(const Caller& caller, Arguments... arguments) {
    return tracker::BeginExempt(function, ObjectOf(arguments...), caller);
  }
  template <typename... Ignored>
  static void End(const Call& call, Ignored...) {
    tracker::EndExempt(call);
  }
};

// What a call that no copy of libpq serves goes to.
template <Function function, typename Real>
[[gnu::noinline]] Real Next(const void* caller) {
  const ErrnoKeeper errno_keeper;
  return reinterpret_cast<Real>(libpq::NextDefinition(function, caller));
}

// PQLEASH_DISABLE: on to what the call would have reached, and nothing else.
template <Function function, typename Result, typename... Parameters, typename... Arguments>
[[gnu::noinline]] Result Jump(const void* caller, Arguments... arguments) {
  using Real = Result (*)(Parameters...);
  const Real real = Next<function, Real>(caller);
  return real != nullptr ? real(arguments...) : Missing<Result>();
}

inline bool MustCall(const Call&) { return true; }
inline bool MustCall(const ConnectCall& call) { return call.step != ConnectCall::kAnswered; }

// Fields of the PGconn: nothing happens around them.
template <typename Role, Function function, typename Result, typename... Parameters>
[[gnu::always_inline]] inline Result ReadField(const Caller& caller, const PGconn* conn) {
  using Real = Result (*)(Parameters...);
  if (const libpq::Copy* copy = libpq::Containing(caller.address)) {
    if constexpr (requires { Role::kInsideToo; }) {
      if (HeldBackSlot* slot = tracker::HeldBackAs(conn)) return Role::Answer(*slot);
    }
    return reinterpret_cast<Real>(copy->Real(function))(conn);
  }
  const tracker::Reading reading = tracker::ReadState(function, conn, caller);
  if (reading.held_back != nullptr) [[unlikely]]
    return Role::Answer(*reading.held_back);
  auto* real =
      reading.copy != nullptr ? reinterpret_cast<Real>(reading.copy->Real(function)) : nullptr;
  if (real == nullptr) [[unlikely]]
    return Jump<function, Result, Parameters...>(caller.address, conn);
  return real(conn);
}

template <typename Role, Function function, typename Result, typename... Parameters,
          typename... Arguments>
[[gnu::always_inline]] inline Result Intercept(const Caller& caller, Result (*)(Parameters...),
                                               Arguments... arguments) {
  if (SwitchedOff()) [[unlikely]]
    return Jump<function, Result, Parameters...>(caller.address, arguments...);
  if constexpr (std::is_same_v<Role, State<function>>) {
    return ReadField<Role, function, Result, Parameters...>(caller, arguments...);
  } else {
    if constexpr (requires { Role::kShortCut; }) {
      if (const libpq::Copy* copy = libpq::Containing(caller.address)) {
        return reinterpret_cast<Result (*)(Parameters...)>(copy->Real(function))(arguments...);
      }
    }
    const auto call = Role::Begin(caller, arguments...);
    auto* real = reinterpret_cast<Result (*)(Parameters...)>(call.Real(function));
    if (real == nullptr) [[unlikely]]
      real = Next<function, Result (*)(Parameters...)>(caller.address);
    const bool calls = real != nullptr && MustCall(call);
    if constexpr (std::is_void_v<Result>) {
      if (calls) real(arguments...);
      Role::End(call, arguments...);
    } else {
      Result result = Missing<Result>();
      if constexpr (requires { Role::Answer(call); }) {
        if (call.step == ConnectCall::kAnswered) result = Role::Answer(call);
      }
      bool done = !calls;
      if constexpr (requires { Role::Instead(call, &result, arguments...); }) {
        if (call.step == ConnectCall::kInstead) done = Role::Instead(call, &result, arguments...);
      }
      if (!done) result = real(arguments...);
      Role::End(call, result, arguments...);
      return result;
    }
  }
}

}  // namespace pqleash

// The body of a wrapper.
#define PQLEASH_UNWRAP(...) __VA_ARGS__
#define PQLEASH_INTERCEPT(role, name, bound, arguments)                                      \
  pqleash::Intercept<pqleash::role<pqleash::Function::k##name>, pqleash::Function::k##name>( \
      pqleash::tracker::Caller{__builtin_return_address(0), bound}, &::name,                 \
      PQLEASH_UNWRAP arguments)

#endif  // PQLEASH_SHIM_INTERPOSE_CALLS_H_
