// SPDX-License-Identifier: Apache-2.0
//
// One line of code that a compiler made several calls of: it peels and unrolls loops, and copies
// the ends of functions.

#ifndef PQLEASH_REPORTER_CALL_SITES_SAME_STACK_H_
#define PQLEASH_REPORTER_CALL_SITES_SAME_STACK_H_

#include <vector>

#include "reporter/call_sites/call_site_group.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// Makes one call site of those whose stacks name the same functions, files and lines; frames
// without a line are the same at the same address alone. It gets the smallest id, and
// CallSiteGroup::ids has all of them. `groups` must come from `snapshots` and have their frames;
// both are changed: in each snapshot the counters are summed up in one CallSite, its connections
// refer to that, and what is left of the others is empty, with the id 0.
void MergeSameStacks(std::vector<Snapshot>* snapshots, std::vector<CallSiteGroup>* groups);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CALL_SITES_SAME_STACK_H_
