// SPDX-License-Identifier: Apache-2.0
//
// Five outages, each as a service on a server with twenty slots. Bare, others' clients fail; with
// the library, the cause is named; with the caps that `pqleash advise` proposes, nobody else
// notices.

#include <gtest/gtest.h>

#include "tests/incidents/outage.h"

namespace pqleash::testing {
namespace {

// A cache that keeps what it uses once in a while: nothing is lost, it is only far too many.
TEST(Incident, UpdateHoards) {
  Replay({.name = "update_hoards",
          .kinds = {"over-provisioned"},
          .consequences = {"server-full"},
          .verdicts = {"too-large"},
          .function = "connection_of"});
}

TEST(Incident, LimitTooLow) {
  Replay({.name = "limit_too_low",
          .kinds = {"saturated"},
          .consequences = {},
          .verdicts = {"too-small"},
          .function = "LoginPool::Open",
          .worst_bare = 0.8,  // there are connections for two in three
          .own_clients = true});
}

TEST(Incident, TrafficSpike) {
  Replay({.name = "traffic_spike",
          .kinds = {"demand-spike"},
          .consequences = {"server-full", "connection-churn"},
          .verdicts = {"demand"},
          .function = "handle_request",
          .by_signal = true,
          .worst_bare = 0.7});  // who comes at the right moment finds a slot that was just left
}

TEST(Incident, LeakingPool) {
  Replay({.name = "leaking_pool",
          .kinds = {"leak-suspect", "lost-handle"},
          .consequences = {"server-full"},
          .verdicts = {"leak"},
          .function = "JobPool::Open"});
}

// In the first seconds all that can be said is that the server is full, and who holds its slots.
TEST(Incident, WrongMaximum) {
  Replay({.name = "wrong_maximum",
          .kinds = {"over-provisioned"},
          .consequences = {"server-full"},
          .verdicts = {"too-large"},
          .function = "WorkerPool.open"});
}

}  // namespace
}  // namespace pqleash::testing
