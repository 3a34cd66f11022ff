// SPDX-License-Identifier: Apache-2.0
//
// What a program must be started with to be recorded. Pure, but for the look at files.

#ifndef PQLEASH_REPORTER_LAUNCH_PRELOAD_H_
#define PQLEASH_REPORTER_LAUNCH_PRELOAD_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter {

// How LD_PRELOAD names `library` (absolute): so that programs that cannot load it start without a
// word. It holds a variable that glibc's linker replaces (ld.so(8)) and musl's does not, which then
// finds no such file: $LIB where the directory that shim/preload makes is there for this library,
// else $ORIGIN, which leads up to the root. With the latter a program of another word size gets a
// line from glibc's linker on its stderr.
std::string PreloadEntry(const std::string& library);

// LD_PRELOAD with PreloadEntry(library) first and the entries of `existing` after it, in their
// order, without another that names `library`. Entries are separated by ':' or ' '.
std::string PreloadValue(const std::string& library, std::string_view existing);

// Where libpqleash.so may be for a tool at `executable`: installed beside it, or in the build tree.
// Best first.
std::vector<std::string> LibraryCandidates(const std::string& executable);

// The first candidate that is there. Absolute.
std::optional<std::string> FindLibrary();

// Why `library` cannot be preloaded; no value: it can, as far as can be seen.
std::optional<std::string> LibraryProblem(const std::string& library);

// That the usual directory is somebody else's, and which one is used; no value: it is not, or
// `directory` is configured.
std::optional<std::string> DirectoryNotice(const std::string& directory);

// Why the library could not write ledgers in `directory` (empty: the default); no value: it can.
std::optional<std::string> DirectoryProblem(const std::string& directory);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_LAUNCH_PRELOAD_H_
