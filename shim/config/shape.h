// SPDX-License-Identifier: Apache-2.0
//
// How large and how deep a configuration file may be. The parser calls itself for each value within
// a value, and the tables that a dotted key makes are destroyed one within the other: what is
// written decides how much of the host's stack is used. So a file is looked over first, by a loop.
// The same loop keeps from the parser what it says that it never sees.

#ifndef PQLEASH_SHIM_CONFIG_SHAPE_H_
#define PQLEASH_SHIM_CONFIG_SHAPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pqleash::config {

// 64 caps with all that can be said of each take 30 KiB.
inline constexpr size_t kMaxFileSize = size_t{256} * 1024;
// What is written needs two of each: [[cap]], and ledger.connections.
inline constexpr uint32_t kMaxNesting = 4;   // brackets and braces within each other
inline constexpr uint32_t kMaxKeyParts = 4;  // of one dotted key, or of the name of a table

// Where a file goes beyond it.
struct Excess {
  uint32_t line;  // from 1
  // kCharacter: one from U+FB26 to U+FEFE where a blank may be: outside of strings and comments, or
  // in a string within three double quotes. toml++ 3.3 and 3.4 look it up among the blanks, in a
  // table that tells the compiler that this cannot be.
  enum class Kind { kSize, kNesting, kKeyParts, kCharacter } kind;
};

// The first place of `text` that goes beyond one of these. Whatever the parser would make of it:
// strings and comments are told as TOML 1.0 has them (https://toml.io/en/v1.0.0), and where that is
// wrong already the parser stops. No heap; the stack does not depend on `text`.
std::optional<Excess> FindExcess(std::string_view text);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_SHAPE_H_
