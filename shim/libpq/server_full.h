// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_LIBPQ_SERVER_FULL_H_
#define PQLEASH_SHIM_LIBPQ_SERVER_FULL_H_

namespace pqleash::libpq {

// Whether `message`, PQerrorMessage of a connect that failed, says that the server has no slot
// free: for anybody, for ordinary users, for the role or for the database (SQLSTATE 53300), or that
// a pooler has none. libpq does not tell the SQLSTATE of a failed connect, so this goes by the
// words, in the languages that PostgreSQL 15 speaks (its message catalogues) and in PgBouncer's.
// Pure.
bool SaysServerFull(const char* message) noexcept;

}  // namespace pqleash::libpq

#endif  // PQLEASH_SHIM_LIBPQ_SERVER_FULL_H_
