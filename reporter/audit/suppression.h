// SPDX-License-Identifier: Apache-2.0
//
// What the user knows about and does not want to be told: files in the syntax of LeakSanitizer's
// suppressions.
//
//   # a comment
//   leak:OpenAuditLog        a function, file or module of any frame of the stack
//   leak:/vendor/*/pool.py$
//   dbname:^template1$       the database of the connections
//
// A pattern is looked for anywhere; '*' stands for any bytes, '^' in front for the beginning and
// '$' at the end for the end.

#ifndef PQLEASH_REPORTER_AUDIT_SUPPRESSION_H_
#define PQLEASH_REPORTER_AUDIT_SUPPRESSION_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

inline constexpr size_t kMaxSuppressionBytes = 4u << 20;

struct Suppression {
  enum class Over { kStack, kDbname };
  Over over = Over::kStack;
  std::string pattern;
  std::string text;    // the line, without blanks around it
  std::string source;  // 'FILE:LINE'
};

// Otherwise one sentence with file and line. Not escaped.
using SuppressionsResult = std::variant<std::vector<Suppression>, std::string>;

// Pure. `name`: of the file.
SuppressionsResult ParseSuppressions(std::string_view text, const std::string& name);

// An empty text matches nothing. Pure.
bool MatchesPattern(std::string_view pattern, std::string_view text);

// Whether a suppression over stacks matches a frame. Pure.
bool MatchesStack(const Suppression& suppression, const std::vector<SourceFrame>& frames);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_AUDIT_SUPPRESSION_H_
