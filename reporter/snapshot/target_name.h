// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SNAPSHOT_TARGET_NAME_H_
#define PQLEASH_REPORTER_SNAPSHOT_TARGET_NAME_H_

#include <string>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// 'user@host:port/database (application_name shop)'; what is not known is left out; empty: nothing
// is known. Not escaped. Pure.
std::string TargetName(const Target& target);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_TARGET_NAME_H_
