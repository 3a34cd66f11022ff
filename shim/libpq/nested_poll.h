// SPDX-License-Identifier: Apache-2.0
//
// The one PQconnectPoll that libpq makes of itself before it sends anything.
//
// PQconnectStart, PQconnectdb, PQsetdbLogin, PQreset and their kin end in connectDBStart, which
// calls PQconnectPoll once through the linker, before any look-up of a name and any socket
// (fe-connect.c of 12 to 18). Answered in libpq's place, that poll decides what becomes of the
// connect:
//
//   WRITING   the connect is begun and healthy, and nothing was sent: the options are parsed, the
//             status is CONNECTION_NEEDED, there is no socket. A later PQconnectPoll goes on from
//             there as if nothing had been.
//   FAILED    CONNECTION_BAD, with valid options and an empty message: PQreset and PQresetStart
//             try again.
//
// In both cases libpq has no current host yet: its index of the host in use is -1 until the real
// PQconnectPoll has run, and PQhost, PQport and PQpass read in front of an array. They must not be
// called for such a PGconn.
//
// A libpq that is linked with -Bsymbolic-functions (Ubuntu's) calls itself past us.

#ifndef PQLEASH_SHIM_LIBPQ_NESTED_POLL_H_
#define PQLEASH_SHIM_LIBPQ_NESTED_POLL_H_

#include <libpq-fe.h>

#include <cstdint>

#include "shim/libpq/copy.h"

namespace pqleash::libpq {

enum class PollAnswer : uint32_t { kNone, kWriting, kFailed };

// How the next nested PQconnectPoll of this thread, made by `copy`, is to be answered: for the real
// call that follows at once. It takes the place of any other order. A connect of the host that lies
// inside another (a module of libc's name service that uses libpq) and a longjmp out of libpq so
// lose an order, and never misplace one.
void OrderAnswer(const Copy* copy, PollAnswer answer);
// To be called after the real call: true when the order was carried out. None is in force
// afterwards.
bool WithdrawOrder();

// For the wrapper of PQconnectPoll, called from inside `copy`: true, once, when an order is in
// force; `*answer` is what to return instead of calling the real function.
bool TakeAnswer(const Copy* copy, PostgresPollingStatusType* answer);

// Whether the nested poll of `copy` comes through our wrapper. Found by a connect that leads
// nowhere, then remembered. False also while that cannot be told, because libpq refuses every
// conninfo (PGSERVICE names an unknown service, say). The calling thread must be inside `copy` as
// the tracker sees it. No traffic; errno is kept.
bool NestedPollSeen(const Copy& copy);

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_NESTED_POLL_H_
