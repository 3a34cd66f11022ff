// SPDX-License-Identifier: Apache-2.0
//
// An audit's result in each of its formats.

#ifndef PQLEASH_REPORTER_RENDER_AUDIT_H_
#define PQLEASH_REPORTER_RENDER_AUDIT_H_

#include <ostream>
#include <string>
#include <string_view>

#include "reporter/audit/audit_report.h"
#include "reporter/render/text.h"

namespace pqleash::reporter {

// 'fails', 'noted', 'known', 'suppressed'.
std::string_view NameOf(Standing standing);

// 'function (file:line)' of a finding's call site, not escaped.
std::string PlaceOf(const AuditFinding& finding);

// 'exit code 3', 'signal 9 (Killed)'.
std::string DescribeEnd(const ProgramEnd& program);

// 'audit of 3 processes, 12 connections opened: 2 findings fail, 1 known': one line, not escaped.
std::string Summarise(const AuditReport& audit);

// For people. Everything that came from another process is escaped.
void RenderAuditText(const AuditReport& audit, const TextOptions& options, std::ostream& out);

// The document 'pqleash.audit/1': that of a report, with more about its findings and with what else
// an audit knows. ASCII only.
void RenderAuditJson(const AuditReport& audit, std::ostream& out);

// JUnit's XML, as Jenkins and GitLab read it: a test case for each finding, failed or skipped, and
// one that passed where none fails.
void RenderAuditJunit(const AuditReport& audit, std::ostream& out);

// SARIF 2.1.0, as code scanning services read it.
void RenderAuditSarif(const AuditReport& audit, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_AUDIT_H_
