// SPDX-License-Identifier: Apache-2.0

#include "reporter/audit/suppression.h"

#include <fmt/format.h>

#include <algorithm>

namespace pqleash::reporter {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// What is wrong with a line; empty: nothing.
std::string ParseLine(std::string_view line, Suppression* suppression) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    return fmt::format("'{}' is no suppression, expected leak:PATTERN or dbname:PATTERN", line);
  }
  const std::string_view type = line.substr(0, colon);
  if (type != "leak" && type != "dbname") {
    return fmt::format("'{}' is no type of suppression, expected leak or dbname", type);
  }
  const std::string_view pattern = line.substr(colon + 1);
  if (pattern.find_first_not_of("^*$") == std::string_view::npos) {
    return fmt::format(
        "'{}' has no pattern that could tell one stack from another, expected part of a name "
        "behind the colon",
        line);
  }
  suppression->over = type == "leak" ? Suppression::Over::kStack : Suppression::Over::kDbname;
  suppression->pattern = pattern;
  suppression->text = line;
  return {};
}

}  // namespace

SuppressionsResult ParseSuppressions(std::string_view text, const std::string& name) {
  std::vector<Suppression> suppressions;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    Suppression suppression;
    suppression.source = fmt::format("{}:{}", name, number);
    if (const std::string problem = ParseLine(line, &suppression); !problem.empty()) {
      return fmt::format("{}: {}", suppression.source, problem);
    }
    suppressions.push_back(std::move(suppression));
  }
  return suppressions;
}

bool MatchesPattern(std::string_view pattern, std::string_view text) {
  if (text.empty()) return false;
  bool at_begin = pattern.starts_with('^');
  if (at_begin) pattern.remove_prefix(1);
  const bool at_end = pattern.ends_with('$');
  if (at_end) pattern.remove_suffix(1);
  for (;;) {
    const size_t star = pattern.find('*');
    const std::string_view part = pattern.substr(0, star);
    if (star == std::string_view::npos && at_end) {
      return text.ends_with(part) && (!at_begin || text.size() == part.size());
    }
    const size_t found =
        at_begin ? (text.starts_with(part) ? 0 : std::string_view::npos) : text.find(part);
    if (found == std::string_view::npos) return false;
    if (star == std::string_view::npos) return true;
    // The leftmost place leaves most for what follows.
    text.remove_prefix(found + part.size());
    pattern.remove_prefix(star + 1);
    at_begin = false;
  }
}

bool MatchesStack(const Suppression& suppression, const std::vector<SourceFrame>& frames) {
  if (suppression.over != Suppression::Over::kStack) return false;
  return std::any_of(frames.begin(), frames.end(), [&](const SourceFrame& frame) {
    return MatchesPattern(suppression.pattern, frame.function) ||
           MatchesPattern(suppression.pattern, frame.file) ||
           MatchesPattern(suppression.pattern, frame.module);
  });
}

}  // namespace pqleash::reporter
