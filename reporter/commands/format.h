// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_COMMANDS_FORMAT_H_
#define PQLEASH_REPORTER_COMMANDS_FORMAT_H_

namespace pqleash::reporter {

// Of results; no command has them all but report.
enum class Format { kText, kJson, kHtml, kFolded, kPprof, kSpeedscope, kMarkdown, kPrometheus };

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_COMMANDS_FORMAT_H_
