// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/counters.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <vector>

#include "shim/caps/policy.h"

namespace pqleash::reporter {
namespace {

constexpr char kSeparator = '\0';  // is in no service's name: those end with it

void Put(const TimeHistogram& histogram, size_t at, Counters* counters) {
  (*counters)[at] = histogram.sum_ns;
  std::copy(histogram.buckets.begin(), histogram.buckets.end(),
            counters->begin() + static_cast<std::ptrdiff_t>(at) + 1);
}

Counters CountersOf(const PolicyCounters& counters) {
  return {counters.admitted, counters.warned, counters.waited, counters.refused,
          counters.timed_out};
}

}  // namespace

CountersReading ReadingOf(const Snapshot& snapshot) {
  CountersReading reading;
  reading.source = snapshot.process.ledger;
  reading.group = snapshot.process.service;
  const Life life = snapshot.process.life;
  reading.final = life != Life::kLive && life != Life::kUnknown;
  Counters& counters = reading.counters;
  counters.resize(kProcessCounters);
  counters[kOpenedTotal] = snapshot.totals.opened;
  counters[kClosedTotal] = snapshot.totals.closed;
  counters[kFailedTotal] = snapshot.totals.failed;
  counters[kServerFullTotal] = snapshot.totals.server_full;
  counters[kUnrecordedTotal] = snapshot.totals.unrecorded_connections;
  Put(snapshot.times.create, kCreateTime, &counters);
  Put(snapshot.times.wait, kWaitTime, &counters);
  Put(snapshot.times.use, kUseTime, &counters);
  return reading;
}

std::vector<CountersReading> ReadingsOf(const CapsPolicy& cap) {
  const std::string name = cap.policy.filed.name;
  const std::string group = CapGroup(cap.policy.service, name);
  std::vector<CountersReading> readings;
  const auto add = [&](int32_t pid, const PolicyCounters& counters) {
    readings.push_back({cap.board + kSeparator + std::to_string(pid) + kSeparator + group, group,
                        CountersOf(counters), false, true});
  };
  if (cap.policy.filed.scope == caps::kScopeProcess) {
    for (const CapsProcess& process : cap.processes) {
      add(process.pid, process.counters);
    }
  } else {
    add(0, cap.policy.counters);
  }
  return readings;
}

CapSource SourceOf(const std::string& source) {
  const size_t end = source.find(kSeparator);
  if (end == std::string::npos) return {source, 0};
  CapSource result = {source.substr(0, end), 0};
  const char* digits = source.data() + end + 1;
  std::from_chars(digits, source.data() + source.size(), result.pid);
  return result;
}

std::string CapGroup(const std::string& service, const std::string& name) {
  return service + kSeparator + name;
}

std::pair<std::string, std::string> CapOfGroup(const std::string& group) {
  const size_t end = group.find(kSeparator);
  if (end == std::string::npos) return {group, group};
  return {group.substr(0, end), group.substr(end + 1)};
}

}  // namespace pqleash::reporter
