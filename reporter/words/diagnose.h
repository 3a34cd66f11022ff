// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_WORDS_DIAGNOSE_H_
#define PQLEASH_REPORTER_WORDS_DIAGNOSE_H_

#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter {

// Writes one sentence to stderr, after 'pqleash: '. Escapes it: it may name what others have made.
void Diagnose(std::string_view sentence);

// The same for each sentence on what is missing in a result, after 'incomplete: '.
void DiagnoseIncomplete(const std::vector<std::string>& sentences);

// Flushes stdout. The exit code: 1 where the result could not be written whole.
int FinishOutput();

// Whether to write terminal attributes to a file descriptor: a terminal, and NO_COLOR unset or
// empty.
bool WantsColour(int fd);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_WORDS_DIAGNOSE_H_
