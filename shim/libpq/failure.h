// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_LIBPQ_FAILURE_H_
#define PQLEASH_SHIM_LIBPQ_FAILURE_H_

#include <string_view>

#include "shim/ledger/layout.h"

namespace pqleash::libpq {

// Why a connect failed.
struct Failure {
  ledger::FailureClass reason;
  // The part of the message that says so, one line of it, at most kMaxFailureText bytes: what the
  // server or the operating system said. Empty where it may hold what the program passed in
  // (libpq quotes pieces of a conninfo that it cannot parse, and a password may be among them).
  // Points into the message.
  std::string_view text;
};

inline constexpr size_t kMaxFailureText = 200;

// `message`: PQerrorMessage of a connect that failed; nullptr: not known. libpq does not tell the
// SQLSTATE of a failed connect, so this goes by the words: English for all classes (libpq's
// fe-connect.c, fe-auth.c and fe-secure-openssl.c of 12 to 18, and the server's postinit.c, auth.c
// and postmaster.c); for a server or a role that is full also the other languages that PostgreSQL
// 15 speaks (its message catalogues) and PgBouncer's words. Pure.
Failure FailureOf(const char* message) noexcept;

// Whether more connects would fail for the same reason until somebody else's connection ends:
// server, role or database are full (SQLSTATE 53300).
constexpr bool IsFull(ledger::FailureClass reason) {
  return reason == ledger::kFailureServerFull || reason == ledger::kFailureRoleLimit;
}

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_FAILURE_H_
