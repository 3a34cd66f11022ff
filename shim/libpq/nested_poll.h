// SPDX-License-Identifier: Apache-2.0
//
// Answers the one PQconnectPoll call that libpq makes itself before it sends anything.
//
// PQconnectStart, PQconnectdb, PQsetdbLogin, PQreset and the like end in connectDBStart. That
// function calls PQconnectPoll once, through the linker, before it looks up a name or opens a
// socket (fe-connect.c of 12 to 18). pqleash may answer this poll in libpq's place, and the answer
// decides what happens to the connect:
//
//   WRITING   The connect has begun and nothing was sent. The options are parsed, the status is
//             CONNECTION_NEEDED, and there is no socket. A later PQconnectPoll continues from there
//             as if it were the first.
//   FAILED    The status is CONNECTION_BAD, the options are valid, and the message is empty.
//             PQreset and PQresetStart try the connect again.
//
// In both cases libpq's index of the current host is -1 until the real PQconnectPoll has run, and
// PQhost, PQport and PQpass read in front of an array. They must not be called for such a PGconn.
//
// A libpq that is linked with -Bsymbolic-functions, as Ubuntu's is, does not call PQconnectPoll
// through the linker, so its poll cannot be answered.
//
// Orders belong to the calling thread; all functions are thread-safe.

#ifndef PQLEASH_SHIM_LIBPQ_NESTED_POLL_H_
#define PQLEASH_SHIM_LIBPQ_NESTED_POLL_H_

#include <libpq-fe.h>

#include <cstdint>

#include "shim/libpq/copy.h"

namespace pqleash::libpq {

enum class PollAnswer : uint32_t { kNone, kWriting, kFailed };

// Orders the answer to the next nested PQconnectPoll that `copy` makes on this thread. To be called
// immediately before the real function. Replaces any earlier order.
//
// An order can be lost, but it never reaches another connect. It is lost when a connect of the host
// runs inside another one (a name service module of libc that uses libpq), or when a longjmp leaves
// libpq.
void OrderAnswer(const Copy* copy, PollAnswer answer);
// Withdraws the order; to be called after the real function. Returns true if the order was carried
// out.
bool WithdrawOrder();

// For the wrapper of PQconnectPoll when it is called from `copy`. Returns true, once, if there is
// an order, and sets `*answer` to the result that the wrapper must return instead of calling the
// real function.
bool TakeAnswer(const Copy* copy, PostgresPollingStatusType* answer);

// Whether the nested poll of `copy` comes through our wrapper. The first call finds out with a
// connect that leads nowhere; the answer is remembered. Also returns false while this cannot be
// found out, because libpq refuses every conninfo (for example, PGSERVICE names an unknown
// service). The calling thread must be marked by the tracker as inside `copy`. Sends nothing; keeps
// errno.
bool NestedPollSeen(const Copy& copy);

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_NESTED_POLL_H_
