// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_SHIM_TRACKER_SURVEY_H_
#define PQLEASH_SHIM_TRACKER_SURVEY_H_

#include "shim/caps/caps.h"

namespace pqleash::tracker {

class Process;

// The process's connections and code, as its caps ask for them.
class Survey final : public caps::Surveyor {
 public:
  explicit Survey(Process* process) : process_(process) {}

  void Describe(uint64_t call_site, char (&text)[caps::kMaxLabel + 1]) override;
  bool Held(uint32_t slot, caps::Endpoint* endpoint, uint64_t* call_site, uint64_t* since) override;
  uint32_t Slots() override;
  bool ReadAgain(caps::Configured* configured) override;

 private:
  Process* process_;
  char port_[16] = {};
};

}  // namespace pqleash::tracker

#endif  // PQLEASH_SHIM_TRACKER_SURVEY_H_
