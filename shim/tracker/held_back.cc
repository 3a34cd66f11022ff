// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/held_back.h"

#include <cstring>

#include "shim/support/text.h"

namespace pqleash::tracker {

constinit std::atomic<uint32_t> HeldBack::count_{0};

void HeldBack::SetText(uint32_t slot, const char* text) {
  char(&field)[sizeof(HeldBackSlot::text)] = slots_[slot].text;
  const size_t length = strnlen(text, sizeof(field) - 2);
  memcpy(field, text, length);
  field[length] = '\n';
  field[length + 1] = '\0';
}

void HeldBack::CopyText(uint32_t slot, char (&text)[sizeof(HeldBackSlot::text)]) const {
  pqleash::CopyText(slots_[slot].text, text);
  const size_t length = strlen(text);
  if (length > 0 && text[length - 1] == '\n') text[length - 1] = '\0';
}

void HeldBack::SetTarget(uint32_t slot, const char* host, const char* port) {
  pqleash::CopyText(host, slots_[slot].host);
  pqleash::CopyText(port, slots_[slot].port);
}

void HeldBack::Disguise(uint32_t slot, Guise guise) {
  Guise& worn = slots_[slot].guise;
  if (worn == Guise::kNone) count_.fetch_add(1, std::memory_order_relaxed);
  worn = guise;
}

void HeldBack::Park(uint32_t slot, int park_fd, uint32_t resumes_as) {
  slots_[slot].park_fd = park_fd;
  slots_[slot].resumes_as = resumes_as;
  Disguise(slot, Guise::kParked);
}

void HeldBack::Refuse(uint32_t slot, bool for_good) {
  Disguise(slot, for_good ? Guise::kRefusedForGood : Guise::kRefused);
}

void HeldBack::Release(uint32_t slot) {
  if (GuiseOf(slot) == Guise::kNone) return;
  slots_[slot].guise = Guise::kNone;
  count_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace pqleash::tracker
