// SPDX-License-Identifier: Apache-2.0
//
// A cap or a pace as an operator has configured it, and the test whether it applies to a
// connection. Plain values: a policy has the same bytes in the configuration, on the board that
// processes share (layout.h), and in the tool.

#ifndef PQLEASH_SHIM_CAPS_POLICY_H_
#define PQLEASH_SHIM_CAPS_POLICY_H_

#include <cstdint>

namespace pqleash::caps {

// The largest number of policies of one user at a time. A mask of policies has one bit for each.
inline constexpr uint32_t kMaxPolicies = 64;

enum Kind : uint32_t {
  kNoPolicy = 0,
  kCap = 1,   // bounds the number of open connections
  kPace = 2,  // bounds the number of connects in a time
};

// The processes whose connections are counted together.
enum Scope : uint32_t {
  kScopeProcess = 1,
  kScopeService = 2,  // all processes of one service name on the host
  kScopeUser = 3,     // all processes of the user that have the policy
};

// What happens to a connect when a policy has no room for it.
enum OnLimit : uint32_t {
  kWarn = 0,    // it goes on, and is logged and counted
  kWait = 1,    // it waits, first come, first served, and is refused at the time-out
  kReject = 2,  // it is refused at once
};

// What happens to an asynchronous connect that would have to wait, where libpq cannot be made to
// wait: a libpq linked with -Bsymbolic-functions, as Ubuntu's is (shim/DESIGN.md).
enum AsyncFallback : uint32_t {
  kFallbackReject = 0,
  kFallbackAdmit = 1,
};

// What happens while a server refuses connections because it is full.
enum OnServerFull : uint32_t {
  kFullIgnored = 0,
  kFullBackoff = 1,  // one connect at a time probes it, at growing intervals; others are held back
};

// The words of the configuration for these values, by number.
inline constexpr const char* kKindNames[] = {"none", "cap", "pace"};
inline constexpr const char* kScopeNames[] = {"none", "process", "service", "user"};
inline constexpr const char* kOnLimitNames[] = {"warn", "wait", "reject"};
inline constexpr const char* kAsyncFallbackNames[] = {"reject", "admit"};
inline constexpr const char* kOnServerFullNames[] = {"ignore", "backoff"};

// Longest texts in bytes, without their NUL.
inline constexpr uint32_t kMaxPolicyName = 47;
inline constexpr uint32_t kMaxPattern = 63;

inline constexpr uint32_t kMaxWaitTimeoutMs = 86'400'000;  // one day

// The part of a policy that `pqleash caps set` can change in running processes.
struct Rule {
  uint32_t limit;            // kCap: 1 to 1,000,000 connections
  uint32_t on_limit;         // OnLimit
  uint32_t wait_timeout_ms;  // 1 to kMaxWaitTimeoutMs; of kWait
  uint32_t max_waiting;      // for kWait: refuse a connect if this many wait; 0: no bound
  uint64_t interval_ns;      // kPace: nanoseconds a connect; 50/s is 20,000,000
  uint32_t burst;            // kPace: connects that may come at once, 1 to 1,000,000
  uint32_t on_server_full;   // OnServerFull; kPace
};
static_assert(sizeof(Rule) == 32);

// Texts are NUL-terminated and NUL-padded. A pattern is a glob as for fnmatch(3) without flags; an
// empty one matches everything. The policy applies if all its patterns match.
struct Policy {
  char name[kMaxPolicyName + 1];
  uint32_t kind;            // Kind
  uint32_t scope;           // Scope
  uint32_t async_fallback;  // AsyncFallback
  uint32_t reserved;
  uint64_t call_site;  // id of the call site; 0: any
  Rule rule;
  // As PQhost returns it: a name, an address or the directory of the socket.
  char host[kMaxPattern + 1];
  char port[16];
  char dbname[kMaxPattern + 1];
  char user[kMaxPattern + 1];
  char application_name[kMaxPattern + 1];
};
static_assert(sizeof(Policy) == 376);

// What is known of a connection, or of one that is to be made. nullptr means an empty text. The
// texts belong to the caller.
struct Endpoint {
  const char* host;
  const char* port;
  const char* dbname;
  const char* user;
  const char* application_name;
};

// Returns 'cap' or 'pace' for any value of `kind`.
inline const char* KindOf(const Policy& policy) {
  return kKindNames[policy.kind == kPace ? kPace : kCap];
}

// Whether the policy has a pattern for the target. If it has none, Matches needs no Endpoint.
bool HasTarget(const Policy& policy);

// Whether `policy` applies to a connection that `call_site` opens to `endpoint`. `endpoint` may be
// nullptr if HasTarget is false. Pure and thread-safe.
bool Matches(const Policy& policy, const Endpoint* endpoint, uint64_t call_site);

}  // namespace pqleash::caps

#endif  // PQLEASH_SHIM_CAPS_POLICY_H_
