// SPDX-License-Identifier: Apache-2.0

#include "reporter/serve/config_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "shim/config/shape.h"
#include "shim/config/toml.h"

namespace pqleash::reporter {
namespace {

std::optional<std::string> TextOf(const toml::node& value) {
  if (const auto* text = value.as_string()) return text->get();
  if (const auto* number = value.as_integer()) return fmt::format("{}", number->get());
  return std::nullopt;
}

}  // namespace

std::variant<std::vector<std::string>, std::string> ConfigArguments(
    std::string_view toml, std::span<const std::string_view> keys) {
  if (const auto excess = config::FindExcess(toml)) {
    return fmt::format("line {}: {}, expected lines of 'key = value' alone", excess->line,
                       excess->kind == config::Excess::Kind::kCharacter
                           ? "a character from U+FB26 to U+FEFE outside of a text in quotes"
                           : "larger or deeper than a configuration may be");
  }
  const toml::parse_result parsed = toml::parse(toml);
  if (!parsed) {
    return fmt::format("line {}: {}", parsed.error().source().begin.line,
                       parsed.error().description());
  }
  std::vector<std::string> arguments;
  for (const auto& [key, value] : parsed.table()) {
    const std::string_view name = key.str();
    if (std::find(keys.begin(), keys.end(), name) == keys.end()) {
      return fmt::format("line {}: there is no '{}', expected one of {}", value.source().begin.line,
                         name, fmt::join(keys, ", "));
    }
    const std::optional<std::string> text = TextOf(value);
    if (!text) {
      return fmt::format("line {}: '{}' is neither a text in quotes nor a whole number",
                         value.source().begin.line, name);
    }
    std::string option(name);
    std::replace(option.begin(), option.end(), '_', '-');
    arguments.push_back(fmt::format("--{}={}", option, *text));
  }
  return arguments;
}

}  // namespace pqleash::reporter
