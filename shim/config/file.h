// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_CONFIG_FILE_H_
#define PQLEASH_SHIM_CONFIG_FILE_H_

#include <optional>
#include <string>

namespace pqleash::config {

// The content of a configuration file: a regular file of at most kMaxFileSize bytes. No value:
// cannot be read, and `error` says why. May throw std::bad_alloc.
std::optional<std::string> ReadConfigFile(const std::string& path, std::string* error);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_FILE_H_
