// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_WORDS_EXIT_CODE_H_
#define PQLEASH_REPORTER_WORDS_EXIT_CODE_H_

namespace pqleash::reporter {

// Exit codes of the tool.
inline constexpr int kFine = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kFindings = 3;
inline constexpr int kCannotExecute = 126;
inline constexpr int kCommandNotFound = 127;

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_WORDS_EXIT_CODE_H_
