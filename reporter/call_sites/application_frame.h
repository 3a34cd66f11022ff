// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_CALL_SITES_APPLICATION_FRAME_H_
#define PQLEASH_REPORTER_CALL_SITES_APPLICATION_FRAME_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

// Whether a file belongs to the system's packages, going by its directory.
bool IsSystemPath(std::string_view path);

// Whether a module is a library's, going by its directory or its name: libpqxx is one wherever it
// was installed.
bool IsLibraryModule(std::string_view path);

// Whether a frame is what Go puts between its code and C (cmd/cgo, runtime.cgocall): it says
// nothing about the program, and the names of some are others in every build.
bool IsGlueOfGo(const SourceFrame& frame);

// Whether a native frame belongs to a library's code in the program's own module: its headers, a
// crate, a module of Go, what was fetched or vendored; without a line, what belongs to the
// namespace of a known one.
bool IsOfLibrarySource(const SourceFrame& frame);

// Indexes of the frames that are the application's own, innermost first: of a script where there is
// one, else native ones. Text that was evaluated counts where no file of the application is in the
// stack and no package called it, as in `python -c`. Empty: none is. `library_paths`: globs of the
// user's. Pure.
std::vector<size_t> OwnFrames(const std::vector<SourceFrame>& frames,
                              const std::vector<std::string>& library_paths);

// The same as pointers, and all that there are of the kind where none is the application's.
std::vector<const SourceFrame*> ApplicationFrames(const std::vector<SourceFrame>& frames,
                                                  const std::vector<std::string>& library_paths);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_CALL_SITES_APPLICATION_FRAME_H_
