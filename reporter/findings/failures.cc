// SPDX-License-Identifier: Apache-2.0

#include "reporter/findings/failures.h"

#include <array>

#include "reporter/snapshot/connection_times.h"

namespace pqleash::reporter {
namespace {

struct Words {
  std::string_view name;
  const char* sentence;
};

constexpr std::array<Words, kFailureReasons> kWords = {{
    {"other", "libpq said why, in words that are not known"},
    {"refused", "nobody listens there: the server is down, or the address is another"},
    {"timeout", "no answer came in time"},
    {"name", "the host's name has no address"},
    {"unreachable", "the network does not lead there, or broke the connection off"},
    {"authentication", "the password or another proof was refused"},
    {"not-allowed", "the server's rules do not let it in"},
    {"tls", "TLS could not be agreed upon, or a certificate was refused"},
    {"no-role", "there is no such role"},
    {"no-database", "there is no such database"},
    {"server-full", "the server had no slot left"},
    {"role-limit", "the limit of the role or the database is reached"},
    {"server-unready", "the server starts up or shuts down"},
    {"conninfo", "the connection string or its parameters are wrong"},
}};

}  // namespace

std::optional<FailureSum> FailuresOf(const Observation& observation, const Service& service,
                                     FailureReason reason) {
  FailureSum sum;
  sum.reason = reason;
  for (const size_t process : service.processes) {
    const Snapshot& snapshot = observation.snapshots[process];
    const Failure& failure = snapshot.failures[static_cast<size_t>(reason)];
    if (failure.count == 0) continue;
    const uint64_t ago = Since(snapshot.as_of_ns, failure.last_ns);
    if (sum.count == 0 || ago < sum.last_ago_ns) {
      sum.last_ago_ns = ago;
      sum.text = failure.text;
      sum.call_site = snapshot.call_sites[failure.call_site].id;
    }
    sum.count += failure.count;
  }
  if (sum.count == 0) return std::nullopt;
  return sum;
}

std::optional<FailureSum> MostFailed(const Observation& observation, const Service& service,
                                     uint64_t within_ns) {
  std::optional<FailureSum> most;
  for (size_t i = 0; i < kFailureReasons; ++i) {
    std::optional<FailureSum> sum = FailuresOf(observation, service, static_cast<FailureReason>(i));
    if (!sum || sum->last_ago_ns > within_ns) continue;
    if (!most || sum->count > most->count) most = std::move(sum);
  }
  return most;
}

std::string ReasonInWords(FailureReason reason) {
  return kWords[static_cast<size_t>(reason)].sentence;
}

std::string_view NameOf(FailureReason reason) { return kWords[static_cast<size_t>(reason)].name; }

}  // namespace pqleash::reporter
