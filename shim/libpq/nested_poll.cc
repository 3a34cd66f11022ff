// SPDX-License-Identifier: Apache-2.0

#include "shim/libpq/nested_poll.h"

#include <atomic>
#include <cstring>

#include "shim/libpq/copies.h"
#include "shim/support/host_state.h"

namespace pqleash::libpq {

namespace {

struct Order {
  const Copy* copy;
  PollAnswer answer;
  bool taken;
};
constinit thread_local Order order __attribute__((tls_model("initial-exec"))) = {};

enum Seen : uint32_t { kNotTried = 0, kSeen = 1, kUnseen = 2 };
constinit std::atomic<uint32_t> seen[kMaxCopies] = {};

// Not a valid address, so the connect that finds it ends before it has a socket. All lists whose
// length the environment could set are given here.
constexpr char kNowhere[] = "pqleash-nowhere";

Seen Try(const Copy& copy) {
  const char* const keywords[] = {"host",     "hostaddr", "port", "user",
                                  "password", "dbname",   nullptr};
  const char* const values[] = {kNowhere, kNowhere, "1", "pqleash", "none", "pqleash", nullptr};
  auto* start =
      reinterpret_cast<decltype(&PQconnectStartParams)>(copy.Real(Function::kPQconnectStartParams));
  auto* finish = reinterpret_cast<decltype(&PQfinish)>(copy.Real(Function::kPQfinish));
  if (start == nullptr || finish == nullptr || copy.error_message == nullptr) return kUnseen;
  OrderAnswer(&copy, PollAnswer::kFailed);
  PGconn* conn = start(keywords, values, 0);
  if (WithdrawOrder()) {
    finish(conn);
    return kSeen;
  }
  if (conn == nullptr) return kNotTried;
  // The poll did not come through our wrapper, unless libpq never got as far as the poll. In that
  // case the message is about something else.
  const bool polled =
      copy.status(conn) != CONNECTION_BAD || strstr(copy.error_message(conn), kNowhere) != nullptr;
  finish(conn);
  return polled ? kUnseen : kNotTried;
}

}  // namespace

void OrderAnswer(const Copy* copy, PollAnswer answer) { order = {copy, answer, false}; }

bool WithdrawOrder() {
  const bool taken = order.taken;
  order = {};
  return taken;
}

bool TakeAnswer(const Copy* copy, PostgresPollingStatusType* answer) {
  // Does not compare pointers: two threads that find a copy at the same time enter it twice
  // (copies.h).
  if (order.answer == PollAnswer::kNone || order.copy->begin != copy->begin) return false;
  *answer = order.answer == PollAnswer::kWriting ? PGRES_POLLING_WRITING : PGRES_POLLING_FAILED;
  order = {copy, PollAnswer::kNone, true};
  return true;
}

bool NestedPollSeen(const Copy& copy) {
  std::atomic<uint32_t>& known = seen[Number(&copy)];
  uint32_t value = known.load(std::memory_order_relaxed);
  if (value == kNotTried) {
    const HostStateKeeper keeper;
    value = Try(copy);
    known.store(value, std::memory_order_relaxed);
  }
  return value == kSeen;
}

}  // namespace pqleash::libpq
