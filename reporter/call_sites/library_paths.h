// SPDX-License-Identifier: Apache-2.0
//
// Whose code a frame of a script is, going by the name of its file.

#ifndef PQLEASH_REPORTER_CALL_SITES_LIBRARY_PATHS_H_
#define PQLEASH_REPORTER_CALL_SITES_LIBRARY_PATHS_H_

#include <string>
#include <string_view>
#include <vector>

#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

enum class ScriptOrigin {
  kOwn,        // the application's; also a program that was typed in: ruby -e, php -r, a shell
  kGenerated,  // text that was evaluated: a library's proxy, an accessor, or python -c
  kPackage,    // installed: a driver, an ORM, a framework, or the application itself
  kShunned,    // one of the user's globs
  kStandard,   // comes with the language, or has no name
};

// `more`: globs of the user's, in which '*' matches '/' too. Pure.
ScriptOrigin OriginOfScript(Language language, const std::string& file,
                            const std::vector<std::string>& more);

// What a package is called, going by where its file is installed: 'psycopg_pool', 'activerecord',
// 'doctrine/dbal', 'DBIx'; empty: the path does not say. Pure; not escaped.
std::string PackageOfScript(Language language, std::string_view file);

// Whether a package only stands between a program and the server, or between a function and its
// caller: a driver, a pool, an ORM, what retries or traces calls. Its lines are never what keeps a
// connection. Pure.
bool IsGoBetween(Language language, std::string_view package);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CALL_SITES_LIBRARY_PATHS_H_
