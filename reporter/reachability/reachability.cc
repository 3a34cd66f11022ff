// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/reachability.h"

namespace pqleash::reporter {

std::string_view NameOf(Reach reach) {
  switch (reach) {
    case Reach::kHeld:
      return "held";
    case Reach::kLostLikely:
    case Reach::kLostProven:
      return "lost";
    case Reach::kOwnerLost:
      return "owner_lost";
    case Reach::kNotLookedAt:
    case Reach::kNotJudged:
      break;
  }
  return "unknown";
}

}  // namespace pqleash::reporter
