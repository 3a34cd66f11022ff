// SPDX-License-Identifier: Apache-2.0
//
// A file of suppressions, and its patterns against the texts of a stack: time that grows faster
// than the file does would show here as a time-out.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "reporter/audit/suppression.h"
#include "tests/fuzz/check.h"

namespace pqleash::fuzz {
namespace {

using namespace reporter;

// What the syntax says, by trying everything; `pattern` has neither '^' nor '$'.
bool Matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    for (size_t skip = 0; skip <= text.size(); ++skip) {
      if (Matches(pattern.substr(1), text.substr(skip))) return true;
    }
    return false;
  }
  return !text.empty() && text[0] == pattern[0] && Matches(pattern.substr(1), text.substr(1));
}

bool MatchesByTheBook(std::string_view pattern, std::string_view text) {
  if (text.empty()) return false;
  std::string whole(pattern);
  if (whole.starts_with('^')) {
    whole.erase(0, 1);
  } else {
    whole.insert(0, "*");
  }
  if (whole.ends_with('$')) {
    whole.pop_back();
  } else {
    whole += '*';
  }
  return Matches(whole, text);
}

}  // namespace
}  // namespace pqleash::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pqleash::fuzz;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const SuppressionsResult result = ParseSuppressions(text, "the.supp");
  if (const auto* problem = std::get_if<std::string>(&result)) {
    Check(problem->find("the.supp") != std::string::npos, "a problem names the file", *problem);
    return 0;
  }
  std::vector<SourceFrame> frames(3);
  frames[0].function = "shop::Desk::OpenAuditLog(std::string const&)";
  frames[1].file = "/srv/vendor/sql/pool.py";
  // Of the file itself: patterns that nearly match.
  frames[2].module = std::string(text.substr(0, 4'096));
  for (const Suppression& suppression : std::get<std::vector<Suppression>>(result)) {
    Check(!suppression.pattern.empty(), "a pattern says something", suppression.text);
    (void)MatchesStack(suppression, frames);
    constexpr std::string_view kNear = "aab/*$^ab";
    constexpr size_t kShort = 10;  // trying everything takes 2^n
    if (suppression.pattern.size() > kShort) continue;
    Check(
        MatchesPattern(suppression.pattern, kNear) == MatchesByTheBook(suppression.pattern, kNear),
        "a pattern means what the syntax says", suppression.pattern);
  }
  return 0;
}
