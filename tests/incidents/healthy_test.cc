// SPDX-License-Identifier: Apache-2.0
//
// Services without a fault, looked at again and again while they live: no finding, ever.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/incidents/outage.h"

namespace pqleash::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Long enough that everything which shows within seconds has shown: the detectors judge the last 10
// to 30 s.
constexpr seconds kWatched{33};

void ExpectNothing(const Json& report, const std::string& name, std::set<std::string>* seen) {
  ASSERT_TRUE(report.is_object());
  EXPECT_FALSE(report["processes"].empty()) << name << " was not seen";
  for (const Json& finding : report["findings"]) {
    seen->insert(finding["kind"].get<std::string>());
    ADD_FAILURE() << name << " is healthy, and the report says " << finding["kind"] << ": "
                  << finding["summary"] << '\n'
                  << finding["evidence"].dump();
  }
}

// `options`: thresholds under which hours may be a few seconds, for those that rest.
void Watch(const std::string& name, const Words& options = {}) {
  const Observed observed;
  Command command = observed.Preloaded(ProgramOf(name));
  command.environment["PQLEASH_SERVICE"] = name;
  command.limit = seconds(120);
  Worker service(command);
  ASSERT_TRUE(ReadUntil(
      {&service}, [&] { return service.HasSaid("serving"); }, seconds(20)));
  std::set<std::string> seen;
  const auto end = std::chrono::steady_clock::now() + kWatched;
  while (std::chrono::steady_clock::now() < end && seen.empty()) {
    ExpectNothing(observed.Report(), name, &seen);
    if (!options.empty()) ExpectNothing(observed.Report(options), name, &seen);
    ReadUntil(
        {&service}, [] { return false; }, milliseconds(1'500));
  }
  const Json report = observed.Report();
  if (report.is_object()) {
    // Half a minute after its first connects a service is judged healthy, or not judged yet.
    const std::string verdict = report["answer"]["verdict"];
    EXPECT_TRUE(verdict == "none" || verdict == "early") << report["answer"].dump();
  }
  Record({{"healthy", name}, {"seen", seen}});
}

// A night is longer than a few seconds; to a detector that looks at what is unused, it is the same.
TEST(Healthy, IdlePoolAtNight) { Watch("idle_pool", {"--min-idle", "2s", "--min-age", "2s"}); }

TEST(Healthy, ListenerForHours) { Watch("listener", {"--min-idle", "2s", "--min-age", "2s"}); }

TEST(Healthy, BurstThatWasServed) { Watch("burst"); }

TEST(Healthy, LongAnalyticalTransaction) {
  Watch("analytics", {"--min-idle", "2s", "--min-age", "2s"});
}

TEST(Healthy, PreforkServerWarmingUp) { Watch("prefork"); }

}  // namespace
}  // namespace pqleash::testing
