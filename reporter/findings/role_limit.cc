// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <string>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/findings/failures.h"
#include "reporter/findings/service.h"
#include "reporter/words/duration.h"

namespace pqleash::reporter {

// 'too many connections for role' is not a full server: the role or the database has a limit of its
// own, and a server with a hundred free slots says the same.
std::vector<Finding> FindRoleLimits(const Observation& observation) {
  std::vector<Finding> findings;
  for (const Service& service : ServicesOf(observation)) {
    const auto failures = FailuresOf(observation, service, FailureReason::kRoleLimit);
    if (!failures || failures->last_ago_ns > kMinute) continue;
    const std::string said = failures->text.empty()
                                 ? std::string("the limit of its role or database is reached")
                                 : fmt::format("the server says \"{}\"", failures->text);
    const std::string holds =
        fmt::format("{} holds {}, and {} of its connects were refused", Named(service),
                    Count(service.open, "connection"), failures->count);
    Finding finding;
    finding.confidence = Confidence::kProven;
    finding.summary = fmt::format("{}: {}", said, holds);
    if (failures->call_site != 0) finding.call_site = failures->call_site;
    finding.evidence = {InConnections("refused", failures->count),
                        InSeconds("last_ago", failures->last_ago_ns),
                        InConnections("open", service.open)};
    finding.advice =
        "see who holds its connections (`select usename, datname, count(*) from pg_stat_activity "
        "group by 1, 2`), and raise the limit with `ALTER ROLE ... CONNECTION LIMIT` or `ALTER "
        "DATABASE ... CONNECTION LIMIT`, or lower what the program opens";
    finding.connections = service.open + failures->count;
    finding.answer = {
        Answer::Verdict::kTooSmall,
        fmt::format("Too small a limit, the role's or the database's: {}; {}", said, holds)};
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace pqleash::reporter
