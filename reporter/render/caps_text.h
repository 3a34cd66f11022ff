// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_RENDER_CAPS_TEXT_H_
#define PQLEASH_REPORTER_RENDER_CAPS_TEXT_H_

#include <cstddef>
#include <ostream>

#include "reporter/caps/caps_report.h"

namespace pqleash::reporter {

// Rows of holders and of waiting connects that are listed of one policy.
inline constexpr size_t kHoldersShown = 50;
inline constexpr size_t kWaitersShown = 20;

struct CapsTextOptions {
  bool colour = false;   // with terminal attributes
  bool holders = false;  // say who holds and who waits
};

// For people. Everything that came from another process is escaped.
void RenderCapsText(const CapsReport& report, const CapsTextOptions& options, std::ostream& out);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_RENDER_CAPS_TEXT_H_
