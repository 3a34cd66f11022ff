// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_CALL_SITES_LIBRARY_PATHS_H_
#define PQLEASH_REPORTER_CALL_SITES_LIBRARY_PATHS_H_

#include <string>
#include <vector>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// Whether a script's file belongs to its language's standard library or to an installed package (a
// driver, an ORM) rather than to the application. A file without a name is nobody's application.
// `more`: globs of the user's, in which '*' matches '/' too. Pure.
bool IsLibraryScript(Language language, const std::string& file,
                     const std::vector<std::string>& more);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CALL_SITES_LIBRARY_PATHS_H_
