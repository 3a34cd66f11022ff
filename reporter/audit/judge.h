// SPDX-License-Identifier: Apache-2.0
//
// From the snapshots of an audit's processes to its findings, and what becomes of them. Pure.

#ifndef PQLEASH_REPORTER_AUDIT_JUDGE_H_
#define PQLEASH_REPORTER_AUDIT_JUDGE_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/audit/audit_report.h"
#include "reporter/audit/suppression.h"
#include "reporter/findings/detector.h"
#include "reporter/findings/open_at_exit.h"
#include "reporter/findings/severity.h"

namespace pqleash::reporter {

// Every kind that can be asked for, the most harmful first.
std::vector<std::string_view> AuditKinds();

// Those that are about what a program leaves behind, rather than about how a service lives.
std::span<const std::string_view> DefaultAuditKinds();

struct Judgement {
  std::vector<std::string> kinds;  // of AuditKinds
  FindingLevel fail_on;
  std::vector<Suppression> suppressions;
  std::optional<Baseline> baseline;
  AtExit at_exit;
};

// Fills in all of `audit` that findings come into; its report is there. Processes that have ended
// are judged by what they left open (open_at_exit.h), those that live as by `pqleash report`.
// A suppression over dbname takes its connections out before anything is counted.
void Judge(const Observation& observation, const Judgement& judgement, AuditReport* audit);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_AUDIT_JUDGE_H_
