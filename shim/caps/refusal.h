// SPDX-License-Identifier: Apache-2.0
//
// What a refused connect says. Pure.

#ifndef PQLEASH_SHIM_CAPS_REFUSAL_H_
#define PQLEASH_SHIM_CAPS_REFUSAL_H_

#include <cstddef>
#include <cstdint>

#include "shim/caps/policy.h"

namespace pqleash::caps {

inline constexpr size_t kRefusalSize = 400;

struct Refusal {
  const Policy* policy;
  Rule rule;            // in force
  const char* service;  // whose cap it is; "": the user's
  uint32_t use;
  uint32_t waiting;
  const char* holder;  // the call site with the most of them, in words; nullptr: not known
  uint64_t holder_site;
  uint32_t holder_count;
  uint64_t waited_ns;  // 0: refused at once
  bool server_full;
};

// One sentence with a newline behind it, as libpq's own messages have. Without a colon: psycopg
// before 3.1.19 shows only what is behind the first (pq/misc.py). Control characters become '?'.
void Explain(const Refusal& refusal, char (&text)[kRefusalSize]);

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_REFUSAL_H_
