/* SPDX-License-Identifier: Apache-2.0
 *
 * The C interface of libpqleash. A program, or its tests, can ask with it about the program's own
 * connections.
 *
 * A program may link the library (-lpqleash before -lpq), or find it at run time: where the library
 * is preloaded, dlsym(RTLD_DEFAULT, "pqleash_version") is not null. A weak reference to any of
 * these functions works as well. examples/ has a GoogleTest listener and a pytest fixture that do
 * so.
 *
 * All functions are thread-safe, keep errno, throw nothing, and allocate nothing on the heap. None
 * of them may be called from a signal handler. They answer from the library's own records, and ask
 * neither libpq nor the server. There are no records, and all counts are 0, before the process's
 * first connect, and where pqleash stays out of the process (PQLEASH_DISABLE=1, setuid programs).
 */

#ifndef PQLEASH_H_
#define PQLEASH_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pg_conn; /* PGconn of libpq-fe.h */

/* Returns the version of the library, such as "0.1.0". A static string. */
const char* pqleash_version(void);

/* Returns the number of connections that this process has established and not finished, as the
 * ledger counts them. */
unsigned pqleash_open_connections(void);

/* Finds the PGconns that this process has opened at or after `since_ns` (CLOCK_MONOTONIC in
 * nanoseconds; 0: ever) and has not passed to PQfinish. Failed PGconns are among them, because they
 * must be finished too. Not among them are PGconns whose PQconnectdb has not returned, PGconns that
 * a parent opened before a fork, and PGconns beyond the library's capacity.
 *
 * Writes at most `capacity` of them to `connections`, which may be NULL if `capacity` is 0. Returns
 * how many there are, which may be more than `capacity`. Use the handles for comparison and for
 * pqleash_stack only: another thread may finish a PGconn at any time. */
size_t pqleash_opened_since(uint64_t since_ns, const struct pg_conn** connections, size_t capacity);

/* Writes the stack that opened `connection`, innermost frame first, beginning at the caller of
 * libpq. Each frame is one line. A script's frame has function, file and line. A native frame has
 * the exported function (mangled), module and offset; `pqleash report` finds its source line.
 * Control characters are replaced by '?'.
 *
 * Writes at most `size` bytes to `text`, including a terminating NUL, like snprintf(3). `text` may
 * be NULL if `size` is 0. Returns the length of the whole text without the NUL, or 0 if
 * `connection` is not a recorded connection. */
size_t pqleash_stack(const struct pg_conn* connection, char* text, size_t size);

/* Writes the process's records as JSON, schema "pqleash.process/1": its open connections, grouped
 * by the stacks that opened them. The fields have the names that they have in `pqleash report
 * --format json`. For a health check or a log. The JSON has no passwords and no query texts.
 *
 * Writes and returns like pqleash_stack. The records may change between two calls, so call with a
 * larger buffer until the answer fits. Returns 0 if there are no records. */
size_t pqleash_report_json(char* json, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* PQLEASH_H_ */
