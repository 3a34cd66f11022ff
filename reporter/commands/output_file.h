// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_OUTPUT_FILE_H_
#define PQLEASH_REPORTER_COMMANDS_OUTPUT_FILE_H_

#include <string>
#include <string_view>

namespace pqleash::reporter {

// Makes `bytes` the whole of the file at `path`, or leaves what is there: nobody sees half of it.
// Something that is no regular file (a pipe, /dev/stdout) is written to. False: it could not be
// done, and `problem` says so in a sentence, which is not escaped.
bool ReplaceFile(const std::string& path, std::string_view bytes, std::string* problem);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_OUTPUT_FILE_H_
