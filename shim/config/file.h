// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CONFIG_FILE_H_
#define PQLEASH_SHIM_CONFIG_FILE_H_

#include <optional>
#include <string>

namespace pqleash::config {

// Returns the content of a configuration file, which must be a regular file of at most kMaxFileSize
// bytes. Follows links. If it cannot be read, returns no value and sets `error` to the reason.
// Reading gives up after 100 interruptions by signals. May throw std::bad_alloc. May change errno.
std::optional<std::string> ReadConfigFile(const std::string& path, std::string* error);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_FILE_H_
