// SPDX-License-Identifier: Apache-2.0
//
// The call site in application_name, for whoever groups pg_stat_activity by it:
// 'orders [00f3a1c2d4e5b697]'. The server keeps 63 bytes (NAMEDATALEN - 1, PostgreSQL's
// runtime-config-logging) and turns what is no printable ASCII into '?'. The program's own name is
// never cut: where there is little room, the id is, to its first six digits at least.

#ifndef PQLEASH_SHIM_TRACKER_TAG_H_
#define PQLEASH_SHIM_TRACKER_TAG_H_

#include <algorithm>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace pqleash::tracker {

inline constexpr size_t kMaxApplicationName = 63;

// Pure. False: there is no room for a tag, and `tagged` is not
// touched.
inline bool TagApplicationName(const char* name, uint64_t call_site,
                               char (&tagged)[kMaxApplicationName + 1]) {
  constexpr size_t kBrackets = 2;
  constexpr size_t kLeastDigits = 6;
  constexpr size_t kAllDigits = 16;
  const size_t length = strlen(name);
  const size_t space = length > 0 ? 1 : 0;
  if (length + space + kBrackets + kLeastDigits > kMaxApplicationName) return false;
  const size_t room = kMaxApplicationName - length - space - kBrackets;
  char id[kAllDigits + 1];
  snprintf(id, sizeof(id), "%016" PRIx64, call_site);
  const auto digits = static_cast<int>(std::min(kAllDigits, room));
  snprintf(tagged, sizeof(tagged), "%s%s[%.*s]", name, space > 0 ? " " : "", digits, id);
  return true;
}

// The program's own part of a name that has the tag of `call_site`; otherwise all of it.
inline std::string_view WithoutTag(std::string_view name, uint64_t call_site) {
  if (name.empty() || name.back() != ']') return name;
  const size_t open = name.rfind('[');
  if (open == std::string_view::npos) return name;
  char id[17];
  snprintf(id, sizeof(id), "%016" PRIx64, call_site);
  const std::string_view digits = name.substr(open + 1, name.size() - open - 2);
  if (digits.size() < 6 || std::string_view(id).substr(0, digits.size()) != digits) return name;
  const std::string_view own = name.substr(0, open);
  return !own.empty() && own.back() == ' ' ? own.substr(0, own.size() - 1) : own;
}

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_TAG_H_
