// SPDX-License-Identifier: Apache-2.0
//
// Checks the size and the nesting of a configuration file before it is parsed. toml++ recurses for
// each value within a value, and the tables of a dotted key are destroyed one within the other. So
// the file's content decides how much of the host's stack the parser uses. FindExcess reads the
// file in a loop and refuses what is deeper than caps need. It also refuses characters for which
// toml++ has undefined behaviour.

#ifndef PQLEASH_SHIM_CONFIG_SHAPE_H_
#define PQLEASH_SHIM_CONFIG_SHAPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pqleash::config {

// 64 caps with every key and the longest values take 30 KiB.
inline constexpr size_t kMaxFileSize = size_t{256} * 1024;
// A valid configuration needs two of each: [[cap]], and ledger.connections.
inline constexpr uint32_t kMaxNesting = 4;   // brackets and braces within each other
inline constexpr uint32_t kMaxKeyParts = 4;  // parts of a dotted key or of a table's name

// The first place where a file exceeds a bound.
struct Excess {
  uint32_t line;  // from 1
  // kCharacter is a character from U+FB26 to U+FEFE in a place where the parser expects a blank:
  // outside of strings and comments, or in a string within three double quotes. toml++ 3.3 and 3.4
  // look such a character up in a table of blanks and tell the compiler that this cannot happen.
  enum class Kind { kSize, kNesting, kKeyParts, kCharacter } kind;
};

// Returns the first place where `text` exceeds a bound, or no value. Strings and comments are
// recognised as in TOML 1.0 (https://toml.io/en/v1.0.0); where the syntax is wrong, the parser
// stops before it can recurse deeper. Uses no heap. The use of stack does not depend on `text`.
// Thread-safe.
std::optional<Excess> FindExcess(std::string_view text);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_SHAPE_H_
