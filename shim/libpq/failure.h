// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_LIBPQ_FAILURE_H_
#define PQLEASH_SHIM_LIBPQ_FAILURE_H_

#include <string_view>

#include "shim/ledger/layout.h"

namespace pqleash::libpq {

// Why a connect failed.
struct Failure {
  ledger::FailureClass reason;
  // The line of the message that names the reason, at most kMaxFailureText bytes, in the words of
  // the server or the operating system. Points into the message. Empty if it may contain what the
  // program passed in: libpq quotes the pieces of a conninfo that it cannot parse, and a password
  // may be among them.
  std::string_view text;
};

inline constexpr size_t kMaxFailureText = 200;

// Finds the reason why a connect failed. `message` is PQerrorMessage of the PGconn, or nullptr if
// it is not known.
//
// libpq does not tell the SQLSTATE of a failed connect, so the words of the message decide. All
// classes are known in English, from libpq's fe-connect.c, fe-auth.c and fe-secure-openssl.c of 12
// to 18 and the server's postinit.c, auth.c and postmaster.c. A full server and a full role are
// also known in the other languages of PostgreSQL 15's message catalogues, and in PgBouncer's
// words. Pure and thread-safe.
Failure FailureOf(const char* message) noexcept;

// Whether further connects would fail for the same reason until another connection ends, because
// the server, the role or the database is full (SQLSTATE 53300).
constexpr bool IsFull(ledger::FailureClass reason) {
  return reason == ledger::kFailureServerFull || reason == ledger::kFailureRoleLimit;
}

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_FAILURE_H_
