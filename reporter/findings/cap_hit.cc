// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include "reporter/findings/detector.h"
#include "reporter/words/caps_names.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {

namespace {

// What was held back longer ago is over.
constexpr uint64_t kRecentNs = 15 * kMinute;

std::string Subject(const BoardPolicy& policy) {
  return fmt::format("{} \"{}\"{}", KindName(policy.filed.kind), policy.filed.name,
                     policy.service.empty() ? "" : " of service " + policy.service);
}

std::string WhatHappened(const PolicyCounters& counters) {
  std::string text;
  const auto add = [&](uint64_t count, const std::string& what) {
    if (count != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  };
  add(counters.waiting, "wait now");
  add(counters.waited,
      fmt::format("have waited (longest {})", HumanDuration(counters.longest_wait_ns)));
  add(counters.refused, "were refused at once");
  add(counters.timed_out, "were refused after a wait");
  add(counters.warned, "were admitted beyond it");
  return text;
}

std::string Advice(const CapsPolicy& cap) {
  const BoardPolicy& policy = cap.policy;
  if (policy.filed.kind == caps::kPace)
    return fmt::format(
        "`pqleash caps {}` shows who waits; the reports of a demand that stays or "
        "of a retry loop say who connects so often",
        policy.filed.name);
  return fmt::format(
      "see who holds the connections with `pqleash caps {}`: mend the code that does not give them "
      "back, or raise the cap with `pqleash caps set {} --limit N` if they are needed",
      policy.filed.name, policy.filed.name);
}

}  // namespace

// A cap or a pace has held connects back of late.
std::vector<Finding> FindCapHits(const Observation& observation) {
  std::vector<Finding> findings;
  for (const CapsPolicy& cap : observation.caps) {
    const PolicyCounters& counters = cap.policy.counters;
    const uint64_t held_back = counters.waiting + counters.waited + counters.refused +
                               counters.timed_out + counters.warned;
    const bool recent = cap.quiet_ns.has_value() && *cap.quiet_ns <= kRecentNs;
    if (held_back == 0 || (!recent && counters.waiting == 0)) continue;
    Finding finding;
    finding.confidence = Confidence::kProven;
    finding.summary =
        fmt::format("{} ({}) was reached: {}", Subject(cap.policy),
                    RuleText(cap.policy.filed.kind, cap.policy.rule), WhatHappened(counters));
    if (!cap.holders.empty() && cap.holders.front().call_site != 0)
      finding.call_site = cap.holders.front().call_site;
    finding.evidence = {InConnections("limit", cap.policy.rule.limit),
                        InConnections("in_use", counters.use),
                        InConnections("peak", counters.peak),
                        InConnections("waiting", counters.waiting),
                        InConnections("waited", counters.waited),
                        InConnections("refused", counters.refused + counters.timed_out),
                        InConnections("admitted_beyond", counters.warned),
                        InSeconds("longest_wait", counters.longest_wait_ns)};
    if (!cap.holders.empty())
      finding.evidence.push_back(InConnections("biggest_holder", cap.holders.front().count));
    finding.advice = Advice(cap);
    finding.connections = held_back;
    if (counters.waiting != 0 && counters.use >= cap.policy.rule.limit &&
        cap.policy.filed.kind == caps::kCap) {
      finding.answer = {
          Answer::Verdict::kTooSmall,
          fmt::format("No leak is seen: {} of {} is full, and {}", Subject(cap.policy),
                      cap.policy.rule.limit, WhatHappened(counters))};
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
