// SPDX-License-Identifier: Apache-2.0
//
// What detectors judge beyond single connections: a service, which is all living processes of one
// name; what happened in it lately; and the places in it that open connections.

#ifndef PQLEASH_REPORTER_FINDINGS_SERVICE_H_
#define PQLEASH_REPORTER_FINDINGS_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reporter/findings/detector.h"

namespace pqleash::reporter {

// Sums over the processes of a service; of peaks, too: the most that can have been at once.
struct Activity {
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t failed = 0;
  uint64_t server_full = 0;
  uint64_t held_back = 0;       // by caps: waited or refused
  uint64_t uses = 0;            // that ended
  uint64_t busy_ns = 0;         // of these
  uint64_t thread_changes = 0;  // uses by another thread than the one before
  uint64_t handovers = 0;       // of these, at once after the use before: somebody had waited
  uint64_t open_peak = 0;
  uint64_t in_use_peak = 0;
};

// An open connection.
struct Held {
  const Snapshot* snapshot = nullptr;
  const Connection* connection = nullptr;
};

// One call site in the processes of one service.
struct Place {
  const CallSiteGroup* group = nullptr;
  uint64_t in_use_peak = 0;  // of several processes: the most that can have been in use at once
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t opened_beside_idle = 0;
  uint64_t closed_life_ns = 0;
  uint64_t last_ns = 0;  // latest connect
  std::vector<Held> open;

  uint64_t UsualLifeNs() const { return closed == 0 ? 0 : closed_life_ns / closed; }
};

struct Service {
  std::string name;
  std::vector<size_t> processes;  // indexes of snapshots
  uint64_t as_of_ns = 0;
  uint64_t since_ns = 0;  // first connect of the oldest process
  uint64_t open = 0;
  uint64_t in_use = 0;
  // Of kHistoryPeriodNs each, oldest first, as far back as `since_ns` and the ledger go. The last
  // is the one that `as_of_ns` lies in, and not over yet.
  std::vector<Activity> periods;
  std::vector<Place> places;  // most open connections first
};

// Living processes by name (and boot, whose clock is another one); dead ones each for themselves,
// as of their ends.
std::vector<Service> ServicesOf(const Observation& observation);

// The last `count` periods, fewer where there are not as many: their sum (of peaks: the largest),
// and how long they have lasted by now.
Activity Recent(const Service& service, size_t count);
uint64_t RecentNs(const Service& service, size_t count);

// Whether it was in use at any time in the last `ns`.
bool IsWorkedWith(const Held& open, uint64_t ns);

// What part of the last `count` periods the service's connections were in use. Those that were not
// used at all meanwhile (a listener, a reserve) are left out. 0: there were none.
double BusyShare(const Service& service, size_t count);

// What part of the turns of connections in the last `count` periods were handed over: taken by a
// thread that had waited for the thread before it. Half and more: the connections are too few, even
// where each is idle for most of the time that it is taken. Free ones are taken up later by chance
// alone (measured: saturated 0.69 and more, healthy 0.15 and less). nullopt: connections hardly
// ever go from thread to thread, so that nobody can be seen waiting: each thread has its own, or
// one thread has them all.
std::optional<double> HandoverShare(const Service& service, size_t count);

// Whether one thread alone works with all of the place's connections: tasks of an event loop.
bool IsOfOneThread(const Place& place);

// How long a use took in the quickest of the periods from `first` to before `last` that had enough
// uses to tell; 0: none had. The quickest period is what the program does when nothing is wrong,
// however long something is.
uint64_t QuickUseNs(const Service& service, size_t first, size_t last);

// Whether the server refused connects of any watched process for want of slots in the last minute.
bool ServerIsFull(const Observation& observation);

// The period (CLOCK_MONOTONIC divided by kHistoryPeriodNs) in which the server began to refuse
// connects of watched processes for want of slots, if it has done so in the last minute; a minute
// without a refusal begins anew.
std::optional<uint64_t> ServerRefusesSince(const std::vector<Service>& services);

// By how many connections the service grew in that period and the one before it.
uint64_t GrownAbout(const Service& service, uint64_t period);

// 'orders', or '2 processes of orders'.
std::string Named(const Service& service);

// '12 %'.
std::string Percent(double share);

// To the tenth, for evidence.
double ToTenths(double number);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_FINDINGS_SERVICE_H_
