// SPDX-License-Identifier: Apache-2.0
//
// A cap or a pace as an operator wrote it, and whether it speaks of a connection. Plain values: a
// policy lies in the configuration, on the board that processes share (layout.h) and in the tool,
// byte for byte the same.

#ifndef PQLEASH_SHIM_CAPS_POLICY_H_
#define PQLEASH_SHIM_CAPS_POLICY_H_

#include <cstdint>

namespace pqleash::caps {

// Policies that one user's processes can have at a time: one bit each in a mask.
inline constexpr uint32_t kMaxPolicies = 64;

enum Kind : uint32_t {
  kNoPolicy = 0,
  kCap = 1,   // at most so many connections at a time
  kPace = 2,  // at most so many connects a second
};

// Over which processes connections are counted together.
enum Scope : uint32_t {
  kScopeProcess = 1,
  kScopeService = 2,  // all processes of one service name on the host
  kScopeUser = 3,     // all processes of the user that have the policy
};

// What happens to a connect that a policy has no room for.
enum OnLimit : uint32_t {
  kWarn = 0,    // it goes on; said and counted
  kWait = 1,    // first come, first served, then refused
  kReject = 2,  // refused at once
};

// What happens to an asynchronous connect that would have to wait where libpq cannot be made to
// (a libpq linked with -Bsymbolic-functions, as Ubuntu's is; shim/DESIGN.md).
enum AsyncFallback : uint32_t {
  kFallbackReject = 0,
  kFallbackAdmit = 1,
};

// What happens while a server refuses connections because it is full.
enum OnServerFull : uint32_t {
  kFullIgnored = 0,
  kFullBackoff = 1,  // one connect at a time tries, at growing intervals; the others are held back
};

// The words of the configuration for these, in their order.
inline constexpr const char* kKindNames[] = {"none", "cap", "pace"};
inline constexpr const char* kScopeNames[] = {"none", "process", "service", "user"};
inline constexpr const char* kOnLimitNames[] = {"warn", "wait", "reject"};
inline constexpr const char* kAsyncFallbackNames[] = {"reject", "admit"};
inline constexpr const char* kOnServerFullNames[] = {"ignore", "backoff"};

inline constexpr uint32_t kMaxPolicyName = 47;
inline constexpr uint32_t kMaxPattern = 63;

inline constexpr uint32_t kMaxWaitTimeoutMs = 86'400'000;  // a day

// What `pqleash caps set` can change in running processes.
struct Rule {
  uint32_t limit;            // kCap: 1 to 1,000,000 connections
  uint32_t on_limit;         // OnLimit
  uint32_t wait_timeout_ms;  // 1 to kMaxWaitTimeoutMs; of kWait
  uint32_t max_waiting;      // of kWait: beyond it a connect is refused at once; 0: no such bound
  uint64_t interval_ns;      // kPace: nanoseconds a connect; 50/s is 20,000,000
  uint32_t burst;            // kPace: connects that may come at once, 1 to 1,000,000
  uint32_t on_server_full;   // OnServerFull; kPace
};
static_assert(sizeof(Rule) == 32);

// Texts are NUL-terminated and NUL-padded. Patterns are globs as of fnmatch(3) without flags;
// empty: any. All that are given must match.
struct Policy {
  char name[kMaxPolicyName + 1];
  uint32_t kind;            // Kind
  uint32_t scope;           // Scope
  uint32_t async_fallback;  // AsyncFallback
  uint32_t reserved;
  uint64_t call_site;  // id of the call site; 0: any
  Rule rule;
  char host[kMaxPattern + 1];  // as PQhost says: name, address or directory of the socket
  char port[16];
  char dbname[kMaxPattern + 1];
  char user[kMaxPattern + 1];
  char application_name[kMaxPattern + 1];
};
static_assert(sizeof(Policy) == 376);

// What is known of a connection, or of one to be made. nullptr and "" are the empty text.
struct Endpoint {
  const char* host;
  const char* port;
  const char* dbname;
  const char* user;
  const char* application_name;
};

// 'cap' or 'pace', whatever `kind` is.
inline const char* KindOf(const Policy& policy) {
  return kKindNames[policy.kind == kPace ? kPace : kCap];
}

// Whether a pattern over the target is given: if not, Matches needs no Endpoint.
bool HasTarget(const Policy& policy);

// Whether `policy` speaks of a connection that `call_site` opens to `endpoint`; `endpoint` may be
// nullptr where HasTarget is false. Pure.
bool Matches(const Policy& policy, const Endpoint* endpoint, uint64_t call_site);

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_POLICY_H_
