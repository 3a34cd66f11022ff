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

// Whether a frame is what Go puts between its code and C (cmd/cgo, runtime.cgocall): it says
// nothing about the program, and the names of some are others in every build.
bool IsGlueOfGo(const SourceFrame& frame);

// Whether a native frame belongs to a library's code in the program's own module: its headers, or
// Go's module cache.
bool IsOfLibrarySource(const SourceFrame& frame);

// The frames of a stack that are the application's own: with frames of a script those of its files
// outside of its language's library and packages, otherwise the native ones outside of the
// system's directories. All that there are of the kind where none is the application's.
// `library_paths`: globs of the user's. Pure; refers to `frames`.
std::vector<const SourceFrame*> ApplicationFrames(const std::vector<SourceFrame>& frames,
                                                  const std::vector<std::string>& library_paths);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CALL_SITES_APPLICATION_FRAME_H_
