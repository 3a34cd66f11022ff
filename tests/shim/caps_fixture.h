// SPDX-License-Identifier: Apache-2.0
//
// A process as far as its caps are concerned.

#ifndef PQLEASH_TESTS_SHIM_CAPS_FIXTURE_H_
#define PQLEASH_TESTS_SHIM_CAPS_FIXTURE_H_

#include <unistd.h>

#include <string>
#include <vector>

#include "shim/caps/caps.h"
#include "shim/support/clock.h"
#include "tests/shim/board_fixture.h"

namespace pqleash::caps::testing {

inline constexpr BoardCapacity kOwn = {1, 16, 64};
inline constexpr BoardPlace kPlace = {4711, 4712, 0xb007};
inline constexpr uint32_t kSlots = 4;

// No connection, and a file that the test writes.
class TestSurveyor final : public Surveyor {
 public:
  void Describe(uint64_t, char (&text)[kMaxLabel + 1]) override { text[0] = '\0'; }
  bool Held(uint32_t slot, Endpoint*, uint64_t*, uint64_t*) override { return held[slot]; }
  uint32_t Slots() override { return kSlots; }
  bool ReadAgain(Configured* configured) override {
    if (!changed_) return false;
    changed_ = false;
    *configured = file_;
    return true;
  }

  void Write(const std::vector<Policy>& policies, uint64_t stamp, uint64_t source = 1) {
    file_ = {};
    file_.source = source;
    file_.stamp = stamp;
    for (const Policy& policy : policies) file_.policies[file_.count++] = policy;
    changed_ = true;
  }
  const Configured& file() const { return file_; }

  bool held[kSlots] = {};  // established connections

 private:
  Configured file_ = {};
  bool changed_ = false;
};

// A process, as far as its caps are concerned.
struct TestProcess {
  TestProcess() : own_memory(Board::Size(kOwn)) {}

  void Begin(const std::vector<Policy>& policies, int directory, uint64_t stamp = 1,
             uint64_t source = 1) {
    surveyor.Write(policies, stamp, source);
    Configured configured;
    surveyor.ReadAgain(&configured);
    caps.Begin({.configured = &configured,
                .surveyor = &surveyor,
                .service = "test",
                .directory = path.c_str(),
                .identity = IdentityOf(pid),
                .own_memory = own_memory.begin(),
                .own_capacity = kOwn,
                .populate = nullptr,
                .directory_fd = directory,
                .uid = geteuid(),
                .place = kPlace,
                .few_calls = false,
                .claims = claims},
               Now());
  }

  // As an asynchronous one: Look is for these.
  Outcome Connect(uint32_t slot) {
    return caps.Enter({.slot = slot,
                       .policies = caps.Matching({}, 0),
                       .call_site = 0,
                       .now = Now(),
                       .since = 0,
                       .deadline = 0,
                       .may_wait = true,
                       .parked = true});
  }
  // As a connect would, a second after the last.
  void Refresh() { caps.Refresh(Now() + ++refreshed * kSecond); }

  // Before Begin.
  std::string path;      // of the directory; empty: it is not looked for again
  pid_t pid = getpid();  // two of the same are one
  SharedMemory own_memory;
  Claim claims[kSlots] = {};
  TestSurveyor surveyor;
  Caps caps;
  uint64_t refreshed = 0;
};

}  // namespace pqleash::caps::testing

#endif  // PQLEASH_TESTS_SHIM_CAPS_FIXTURE_H_
