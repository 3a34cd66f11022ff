// SPDX-License-Identifier: Apache-2.0
//
// Most programs connect through one function of theirs, so that many call sites have the same
// headline. These are told apart by who called it.

#ifndef PQLEASH_REPORTER_CALL_SITES_TOLD_APART_H_
#define PQLEASH_REPORTER_CALL_SITES_TOLD_APART_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "reporter/call_sites/call_site_group.h"

namespace pqleash::reporter {

// Sets `caller` of those whose headline others have, too: the first frame further out from which on
// none of them has gone the same way. None, where two differ in nothing that can be said. Of places
// that only take connections up (Connects), the first frame at which they go different ways: what
// one handler keeps is one line, whoever calls the handler. Pure.
void TellApart(const std::vector<std::string>& library_paths, std::vector<CallSiteGroup>* groups);

// 'function (file:line)' of the headline, with ', called by function (file:line)' where there is a
// caller; '' without a headline. Both are indexes into `frames`. Not escaped.
std::string DescribeSite(const std::vector<SourceFrame>& frames, std::optional<size_t> headline,
                         std::optional<size_t> caller);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CALL_SITES_TOLD_APART_H_
