// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_CALL_SITES_APPLICATION_FRAME_H_
#define PQLEASH_REPORTER_CALL_SITES_APPLICATION_FRAME_H_

#include <string>
#include <string_view>
#include <vector>

#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

// Whether a file belongs to the system's packages, going by its directory.
bool IsSystemPath(std::string_view path);

// The frames of a stack that are the application's own: with frames of a script those of its files
// outside of its language's library and packages, otherwise the native ones outside of the
// system's directories. All that there are of the kind where none is the application's.
// `library_paths`: globs of the user's. Pure; refers to `frames`.
std::vector<const SourceFrame*> ApplicationFrames(const std::vector<SourceFrame>& frames,
                                                  const std::vector<std::string>& library_paths);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CALL_SITES_APPLICATION_FRAME_H_
