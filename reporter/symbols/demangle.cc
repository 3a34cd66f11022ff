// SPDX-License-Identifier: Apache-2.0

#include "reporter/symbols/demangle.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

namespace pqleash::reporter {
namespace {

// Symbols come from files that others made; the demangler recurses.
constexpr size_t kMaxSymbol = 16 << 10;

constexpr std::pair<std::string_view, std::string_view> kRustEscapes[] = {
    {"$SP$", "@"},  {"$BP$", "*"},  {"$RF$", "&"},  {"$LT$", "<"},  {"$GT$", ">"},
    {"$LP$", "("},  {"$RP$", ")"},  {"$C$", ","},   {"$u20$", " "}, {"$u7b$", "{"},
    {"$u7d$", "}"}, {"$u5b$", "["}, {"$u5d$", "]"}, {"..", "::"},
};

// Legacy Rust mangling ends in a component 'h' and 16 hexadecimal digits.
bool EndsInRustHash(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr size_t kSize = 19;  // ::h and the digits
  if (name.size() <= kSize) return false;
  const std::string_view end = name.substr(name.size() - kSize);
  return end.starts_with("::h") && end.find_first_not_of(kDigits, 3) == std::string_view::npos;
}

std::string DecodeRust(std::string name) {
  name.resize(name.size() - 19);
  for (const auto& [escape, text] : kRustEscapes) {
    for (size_t at = 0; (at = name.find(escape, at)) != std::string::npos; at += text.size()) {
      name.replace(at, escape.size(), text);
    }
  }
  // A component may not begin with '$', so that rustc puts '_' before it.
  if (name.starts_with("_<")) name.erase(0, 1);
  for (size_t at = 0; (at = name.find("::_<", at)) != std::string::npos;) name.erase(at + 2, 1);
  return name;
}

}  // namespace

std::string Demangle(const std::string& symbol) {
  const std::string name = symbol.substr(0, symbol.find('@'));
  if (!name.starts_with("_Z") || name.size() > kMaxSymbol) return name;
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> demangled(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0 || demangled == nullptr) return name;
  std::string result = demangled.get();
  return EndsInRustHash(result) ? DecodeRust(std::move(result)) : result;
}

}  // namespace pqleash::reporter
