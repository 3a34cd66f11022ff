// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/mapped_files.h"

#include <algorithm>
#include <cctype>

namespace pqleash::reporter {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

// libpq.so.5, libpq-9b38f5e3.so.5.16 (as Python's wheels rename it), libpq.so.5.15 (deleted).
bool IsLibpq(std::string_view name) {
  return name.starts_with("libpq") && name.size() > 5 && (name[5] == '.' || name[5] == '-') &&
         name.find(".so") != std::string_view::npos;
}

template <typename Value>
void AddOnce(Value value, std::vector<Value>* values) {
  if (std::find(values->begin(), values->end(), value) == values->end()) {
    values->push_back(std::move(value));
  }
}

// Nothing, or a version: '', '3', '3.11', '-3.1.so', '.so.5.36'.
bool IsVersionEnd(std::string_view rest) {
  return rest.empty() || rest[0] == '.' || rest[0] == '-' ||
         std::isdigit(static_cast<unsigned char>(rest[0])) != 0;
}

}  // namespace

std::optional<Language> InterpreterOf(std::string_view file_name) {
  struct Name {
    std::string_view name;
    Language language;
  };
  constexpr Name kNames[] = {{"libpython", Language::kPython}, {"python", Language::kPython},
                             {"libruby", Language::kRuby},     {"ruby", Language::kRuby},
                             {"libphp", Language::kPhp},       {"php-fpm", Language::kPhp},
                             {"php-cgi", Language::kPhp},      {"php", Language::kPhp},
                             {"libperl", Language::kPerl},     {"perl", Language::kPerl}};
  for (const auto& [name, language] : kNames) {
    if (!file_name.starts_with(name) || !IsVersionEnd(file_name.substr(name.size()))) continue;
    // A library by name must be one: 'libpython-notes.txt' may be mapped, too.
    if (name.starts_with("lib") && file_name.find(".so") == std::string_view::npos) continue;
    return language;
  }
  return std::nullopt;
}

MappedFiles ParseMaps(std::string_view maps) {
  MappedFiles mapped;
  while (!maps.empty()) {
    const size_t end = std::min(maps.find('\n'), maps.size());
    const std::string_view line = maps.substr(0, end);
    maps.remove_prefix(std::min(end + 1, maps.size()));
    const size_t begin = line.find('/');
    if (begin == std::string_view::npos) continue;
    std::string_view path = line.substr(begin);
    if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
    const std::string_view name = path.substr(path.rfind('/') + 1);
    mapped.library |= name.starts_with("libpqleash.so");
    if (IsLibpq(name)) AddOnce(std::string(path), &mapped.libpq);
    if (const auto language = InterpreterOf(name)) AddOnce(*language, &mapped.interpreters);
  }
  return mapped;
}

}  // namespace pqleash::reporter
