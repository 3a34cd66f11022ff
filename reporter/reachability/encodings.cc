// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/encodings.h"

#include <bit>

#include "reporter/reachability/memory_map.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kWordMask = (uint64_t{1} << 48) - 1;
constexpr unsigned kDigitBits = 30;
constexpr uint64_t kDigitMask = (uint64_t{1} << kDigitBits) - 1;

bool IsOneOf(std::string_view file, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (file.starts_with(name)) return true;
  }
  return false;
}

}  // namespace

Encodings EncodingsIn(const std::vector<ModuleImage>& images) {
  Encodings encodings;
  for (const ModuleImage& image : images) {
    const std::string_view file = FileName(image.path);
    encodings.python_digits |= IsOneOf(file, {"libpython", "python", "pypy"});
    encodings.ruby_fixnum |= IsOneOf(file, {"libruby", "ruby"});
    encodings.floating |=
        IsOneOf(file, {"node", "libnode", "libv8", "libmozjs", "lua", "liblua", "bun", "deno"});
  }
  return encodings;
}

std::vector<uint64_t> EncodedForms(uint64_t address, const Encodings& encodings) {
  std::vector<uint64_t> forms;
  if (encodings.python_digits) {
    const uint64_t upper = address >> kDigitBits;
    forms.push_back(upper == 0 ? address << 16
                               : (upper << 32 | (address & kDigitMask)) & kWordMask);
  }
  if (encodings.ruby_fixnum) forms.push_back((address << 1 | 1) & kWordMask);
  if (encodings.floating)
    forms.push_back(std::bit_cast<uint64_t>(static_cast<double>(address)) & kWordMask);
  return forms;
}

}  // namespace pqleash::reporter
