// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_TESTS_AUDIT_EXAMPLE_AUDIT_H_
#define PQLEASH_TESTS_AUDIT_EXAMPLE_AUDIT_H_

#include <string>

#include "reporter/audit/audit_report.h"

namespace pqleash::reporter {

// A finding of each standing but kNoted, and an entry of the baseline that is gone. `hostile` is in
// every text that another process could have written.
AuditReport ExampleAudit(const std::string& hostile = "");

}  // namespace pqleash::reporter

#endif  // PQLEASH_TESTS_AUDIT_EXAMPLE_AUDIT_H_
