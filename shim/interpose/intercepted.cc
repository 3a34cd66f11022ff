// SPDX-License-Identifier: Apache-2.0

#include "shim/interpose/intercepted.h"

#include <atomic>
#include <cstring>

#include "shim/config/environment.h"
#include "shim/ledger/layout.h"

namespace pqleash {

uint32_t Intercepted() noexcept {
  constexpr uint32_t kRead = 1u << 31;
  static constinit std::atomic<uint32_t> known{0};
  uint32_t value = known.load(std::memory_order_relaxed);
  if (value != 0) return value & ~kRead;
  const char* wanted = config::Variable("PQLEASH_INTERCEPT");
  if (wanted == nullptr || wanted[0] == '\0') wanted = "dlsym,deepbind";
  if (!config::Disabled()) {
    if (strstr(wanted, "dlsym") != nullptr) value |= ledger::kInterceptLookUps;
    if (strstr(wanted, "deepbind") != nullptr) value |= ledger::kInterceptDeepBind;
  }
  known.store(value | kRead, std::memory_order_relaxed);
  return value;
}

}  // namespace pqleash
