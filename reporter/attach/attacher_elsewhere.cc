// SPDX-License-Identifier: Apache-2.0
//
// On processors that attach has not been written for.

#include <fmt/format.h>

#include "reporter/attach/attacher.h"
#include "reporter/attach/target.h"

namespace pqleash::reporter {
namespace {

AttachOutcome Refuse(int32_t pid, bool force) {
  AttachOutcome outcome;
  outcome.error =
      WhyNotAttach(ReadTargetFacts(pid), force)
          .value_or(fmt::format("process {} cannot be attached to on this processor", pid));
  return outcome;
}

}  // namespace

AttachOutcome Attach(const AttachRequest& request) { return Refuse(request.pid, request.force); }

AttachOutcome Detach(int32_t pid, bool force) { return Refuse(pid, force); }

}  // namespace pqleash::reporter
