// SPDX-License-Identifier: Apache-2.0

#include "shim/interpose/intercepted.h"

#include "shim/config/environment.h"
#include "shim/ledger/layout.h"
#include "shim/support/plain_text.h"

namespace pqleash::internal {

constinit std::atomic<uint32_t> intercepted{0};

uint32_t DecideIntercepted() noexcept {
  uint32_t value = kDecided;
  const char* wanted = config::Variable("PQLEASH_INTERCEPT");
  if (config::Disabled()) {
    value |= kSwitchedOff;
  } else if (wanted == nullptr || wanted[0] == '\0') {
    value |= ledger::kInterceptLookUps | ledger::kInterceptDeepBind;
  } else {
    if (plain::Contains(wanted, "dlsym")) value |= ledger::kInterceptLookUps;
    if (plain::Contains(wanted, "deepbind")) value |= ledger::kInterceptDeepBind;
  }
  if (config::Started()) intercepted.store(value, std::memory_order_relaxed);
  return value;
}

}  // namespace pqleash::internal
