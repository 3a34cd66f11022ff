// SPDX-License-Identifier: Apache-2.0

#include "tests/support/lateness.h"

#include <sched.h>

#include <algorithm>
#include <chrono>

namespace pqleash::testing {

namespace {

constexpr std::chrono::milliseconds kSleep(4);

int64_t Now() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Lateness::Lateness() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  // Where it fails (more processors than the set has room for) one sleeper goes where it may.
  const bool known = sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (known && CPU_ISSET(processor, &allowed) == 0) continue;
    sleepers_.push_back(std::make_unique<Sleeper>());
    Sleeper* const sleeper = sleepers_.back().get();
    sleeper->thread = std::thread([=, this] { Sleep(sleeper, known ? processor : -1); });
    if (!known) break;
  }
}

Lateness::~Lateness() {
  stop_ = true;
  for (const auto& sleeper : sleepers_) sleeper->thread.join();
}

void Lateness::Sleep(Sleeper* sleeper, int processor) const {
  if (processor >= 0) {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(processor, &own);
    sched_setaffinity(0, sizeof(own), &own);
  }
  while (!stop_) {
    const int64_t due = Now() + std::chrono::nanoseconds(kSleep).count();
    sleeper->due_ns = due;
    std::this_thread::sleep_for(kSleep);
    const int64_t late = Now() - due;
    if (late > sleeper->worst_ns) sleeper->worst_ns = late;
    sleeper->due_ns = 0;
  }
}

void Lateness::Restart() {
  for (const auto& sleeper : sleepers_) sleeper->worst_ns = 0;
}

double Lateness::Worst() const {
  int64_t worst = 0;
  for (const auto& sleeper : sleepers_) {
    const int64_t due = sleeper->due_ns;
    if (due != 0) worst = std::max(worst, Now() - due);
    worst = std::max(worst, sleeper->worst_ns.load());
  }
  return static_cast<double>(worst) / 1e9;
}

}  // namespace pqleash::testing
