/* SPDX-License-Identifier: Apache-2.0
 *
 * The C interface of libpqleash: what a program, or its tests, can ask about its own connections.
 *
 * For programs that link the library (-lpqleash before -lpq), and for those that find it at run
 * time: where it is preloaded, dlsym(RTLD_DEFAULT, "pqleash_version") is not null; a weak reference
 * to any of these functions does as well. examples/ has a GoogleTest listener and a pytest fixture
 * that do so.
 *
 * All functions are thread-safe, keep errno, throw nothing, and take no memory from the heap. None
 * of them is meant for a signal handler. They answer from the library's own records, and ask
 * neither libpq nor the server. Where pqleash stays out of the process (PQLEASH_DISABLE=1, setuid),
 * and before the process's first connect, there are no records: counts are 0.
 */

#ifndef PQLEASH_H_
#define PQLEASH_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pg_conn; /* PGconn of libpq-fe.h */

/* Version of the library, such as "0.1.0". A static string. */
const char* pqleash_version(void);

/* Connections that this process has established and not finished, as the ledger counts them. */
unsigned pqleash_open_connections(void);

/* The PGconns that this process has opened at or after `since_ns` (CLOCK_MONOTONIC, nanoseconds; 0:
 * ever) and not passed to PQfinish, failed ones included, which must be finished, too. Not among
 * them: one whose PQconnectdb has not returned, those that a parent opened before a fork, and those
 * beyond the library's capacity.
 *
 * Writes at most `capacity` of them to `connections`, which may be NULL when `capacity` is 0.
 * Returns how many there are. Handles are for comparison, and for pqleash_stack: another thread may
 * finish one at any time. */
size_t pqleash_opened_since(uint64_t since_ns, const struct pg_conn** connections, size_t capacity);

/* The stack that opened `connection`, innermost frame first, beginning at the caller of libpq. A
 * line a frame: function, file and line for scripts; exported function (mangled), module and offset
 * for native code, whose lines `pqleash report` knows. Control characters are replaced by '?'.
 *
 * Writes at most `size` bytes to `text`, a terminating NUL among them, as snprintf(3) does; `text`
 * may be NULL when `size` is 0. Returns the length of the whole text without the NUL. 0: it is no
 * connection that is recorded. */
size_t pqleash_stack(const struct pg_conn* connection, char* text, size_t size);

/* The process's records as JSON, schema "pqleash.process/1": what the process has open, by the
 * stacks that opened it, with the fields of the same names of `pqleash report --format json`. For a
 * health check or a log. No passwords, no query texts.
 *
 * Writes and returns as pqleash_stack does. Two calls may see different records: ask with more room
 * until the answer fits. 0: there are no records. */
size_t pqleash_report_json(char* json, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* PQLEASH_H_ */
