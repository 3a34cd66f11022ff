// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_REPORT_BOUNDED_FILE_H_
#define PQLEASH_REPORTER_REPORT_BOUNDED_FILE_H_

#include <cstddef>
#include <optional>
#include <string>

namespace pqleash::reporter {

// The whole of a file. No value: it cannot be read or has more than `max_bytes`, and `problem` says
// so in a sentence, which is not escaped.
std::optional<std::string> ReadBoundedFile(const std::string& path, size_t max_bytes,
                                           std::string* problem);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_REPORT_BOUNDED_FILE_H_
