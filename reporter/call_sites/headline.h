// SPDX-License-Identifier: Apache-2.0
//
// Which line of a stack is named: LINES.md.

#ifndef PQLEASH_REPORTER_CALL_SITES_HEADLINE_H_
#define PQLEASH_REPORTER_CALL_SITES_HEADLINE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

struct Headline {
  enum class Of {
    kApplication,  // a line of the application's
    kLibrary,      // there is none: the line of what is installed that comes nearest to it
    kThread,       // the same, in a thread of the library's own
    kTask,         // the same, in a task of an event loop
  };
  size_t frame = 0;              // index
  std::optional<size_t> caller;  // index: the application's line that runs the loop of a task
  Of of = Of::kApplication;
  std::string package;  // of a library, where its path tells: 'psycopg_pool'
};

// `library_paths`: globs of the user's. nullopt: no frames. Pure.
std::optional<Headline> HeadlineOf(const std::vector<SourceFrame>& frames,
                                   const std::vector<std::string>& library_paths);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CALL_SITES_HEADLINE_H_
