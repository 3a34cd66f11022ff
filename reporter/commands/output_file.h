// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_OUTPUT_FILE_H_
#define PQLEASH_REPORTER_COMMANDS_OUTPUT_FILE_H_

#include <optional>
#include <string>
#include <string_view>

namespace pqleash::reporter {

// Makes `path` a file with `text`: whoever reads it meanwhile sees all of the old or all of the new
// one. It is as readable as the umask lets a new file be. A string is a sentence that says why not.
std::optional<std::string> WriteWhole(const std::string& path, std::string_view text);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_OUTPUT_FILE_H_
