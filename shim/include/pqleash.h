/* SPDX-License-Identifier: Apache-2.0
 *
 * The C interface of libpqleash, for programs and tests that link it, or find it at run time with
 * dlsym(3) when it is preloaded. All functions are thread-safe.
 */

#ifndef PQLEASH_H_
#define PQLEASH_H_

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the library, such as "0.1.0". A static string. */
const char* pqleash_version(void);

/* Connections that this process has established and not finished, as the ledger counts them. 0
 * before the first connect, and where pqleash stays out of the process. */
unsigned pqleash_open_connections(void);

#ifdef __cplusplus
}
#endif

#endif /* PQLEASH_H_ */
