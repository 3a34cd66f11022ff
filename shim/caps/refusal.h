// SPDX-License-Identifier: Apache-2.0
//
// Composes the message of a refused connect. Pure and thread-safe.

#ifndef PQLEASH_SHIM_CAPS_REFUSAL_H_
#define PQLEASH_SHIM_CAPS_REFUSAL_H_

#include <cstddef>
#include <cstdint>

#include "shim/caps/policy.h"

namespace pqleash::caps {

// Size of the message with its newline and its NUL, in bytes.
inline constexpr size_t kRefusalSize = 400;

// What the message needs to know. The texts belong to the caller.
struct Refusal {
  const Policy* policy;
  Rule rule;            // the rule in force
  const char* service;  // the service that the policy belongs to; "": all of the user's
  uint32_t use;
  uint32_t waiting;
  const char* holder;  // the call site with most of the connections, in words; nullptr: not known
  uint64_t holder_site;
  uint32_t holder_count;
  uint64_t waited_ns;  // in nanoseconds; 0: refused at once
  bool server_full;
};

// Writes one sentence and a newline, like libpq's own messages. The sentence has no colon, because
// psycopg before 3.1.19 shows only what follows the first one (pq/misc.py). Control characters
// become '?'.
void Explain(const Refusal& refusal, char (&text)[kRefusalSize]);

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_REFUSAL_H_
