// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SERVE_CONFIG_ARGUMENTS_H_
#define PQLEASH_REPORTER_SERVE_CONFIG_ARGUMENTS_H_

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pqleash::reporter {

// A TOML file of `key = value` → options: 'on_finding = "x"' → '--on-finding=x'. `keys` are those
// that there are, as in the file. A string is a clause that says what is wrong and where. Pure.
std::variant<std::vector<std::string>, std::string> ConfigArguments(
    std::string_view toml, std::span<const std::string_view> keys);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SERVE_CONFIG_ARGUMENTS_H_
