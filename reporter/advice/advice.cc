// SPDX-License-Identifier: Apache-2.0

#include "reporter/advice/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <utility>

#include "reporter/advice/shares.h"
#include "reporter/advice/verdict.h"
#include "reporter/call_sites/told_apart.h"
#include "reporter/findings/detector.h"
#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/duration.h"
#include "reporter/words/utc_time.h"
#include "shim/caps/policy.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kEnoughObservedNs = 30 * kSecond;
constexpr uint64_t kEnoughUses = 20;
constexpr uint64_t kBindingTimes = 2;  // a limit that binds: so many times what there is
constexpr uint64_t kFullPercent = 80;  // of what was held when the server was full
constexpr uint64_t kWaits = 10;        // uses that a connect may wait for
constexpr uint64_t kLongestWaitS = 30;

std::string Connections(uint64_t count) {
  return fmt::format("{} connection{}", count, count == 1 ? "" : "s");
}

std::string At(const Peak& peak) {
  if (peak.realtime_ns == 0) return "";
  return fmt::format(" ({} UTC)", UtcTime(peak.realtime_ns).substr(11));
}

// A limit and where it comes from: 'limit 6 = WORDS'.
struct Derived {
  uint64_t limit = 1;
  std::string words;
};

Derived Above(uint64_t connections, const std::string& what, uint32_t headroom_percent) {
  return {WithHeadroom(connections, headroom_percent),
          fmt::format("{} {} + {} % headroom, rounded up", connections, what, headroom_percent)};
}

// The words for what is needed at once.
class Deriver {
 public:
  Deriver(const Demand& demand, const Need& need, const AdviceOptions& options)
      : demand_(demand), need_(need), options_(options) {}

  Derived OfService() const {
    switch (need_.basis) {
      case Need::Basis::kWaiting:
        return Waiting();
      case Need::Basis::kLittle:
        return Little();
      case Need::Basis::kInUse:
        break;
    }
    return Above(need_.connections, "in use at once at the peak" + At(demand_.in_use_peak),
                 options_.headroom_percent);
  }

  // Of each process, where processes keep connections of their own.
  Derived OfProcess() const {
    return Above(demand_.process_peak.connections,
                 "in use at once in one process at the peak" + At(demand_.process_peak),
                 options_.headroom_percent);
  }

 private:
  Derived Waiting() const {
    const uint64_t peak = demand_.in_use_peak.connections;
    return Above(need_.connections,
                 fmt::format("at once ({} in use at the peak and {} that wait at a cap)", peak,
                             need_.connections - peak),
                 options_.headroom_percent);
  }

  Derived Little() const {
    return Above(need_.connections,
                 fmt::format("at once ({:.1f} connects a second at the peak{} × {} that each is "
                             "kept: Little's law)",
                             demand_.little_arrivals_per_s,
                             demand_.held_back == 0 ? "" : ", those that a cap held back included,",
                             BriefDuration(demand_.usual_life_ns)),
                 options_.headroom_percent);
  }

  const Demand& demand_;
  const Need& need_;
  const AdviceOptions& options_;
};

// Of a pool that has no more to give. How many more are missing cannot be seen: who waits inside of
// the program has no connect yet.
Derived Binding(uint64_t open) {
  const uint64_t limit = std::clamp<uint64_t>(open, 1, kLargestLimit / 2) * kBindingTimes;
  return {limit, fmt::format("{} × the {} that are in use all the time: at least these are needed, "
                             "and how many more cannot be seen from outside; measure again with it",
                             kBindingTimes, open)};
}

// A cap in force of a service, by scope.
const CapsPolicy* ExistingCap(const std::vector<CapsPolicy>& caps, const std::string& service,
                              uint32_t scope) {
  for (const CapsPolicy& cap : caps) {
    if (cap.policy.filed.kind == caps::kCap && cap.policy.filed.scope == scope &&
        cap.policy.filed.call_site == 0 && cap.policy.service == service) {
      return &cap;
    }
  }
  return nullptr;
}

uint64_t WaitingAt(const std::vector<CapsPolicy>& caps, const std::string& service) {
  uint64_t waiting = 0;
  for (const CapsPolicy& cap : caps) {
    const bool counts = cap.policy.filed.kind == caps::kCap && cap.policy.service == service;
    if (counts) waiting = std::max(waiting, cap.policy.counters.waiting);
  }
  return waiting;
}

std::string CapName(const std::string& service, const std::string& more) {
  std::string name = "advised-" + service + more;
  for (char& each : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(each)) != 0 || each == '.' ||
                       each == '_' || each == '-';
    if (!plain) each = '-';
  }
  if (name.size() > caps::kMaxPolicyName) {
    name = name.substr(0, caps::kMaxPolicyName - more.size()) + more;
  }
  return name;
}

// Of one service: see Advise().
class ServiceAdviser {
 public:
  ServiceAdviser(const Observation& observation, const std::vector<size_t>& processes,
                 const Demand& demand, const Neighbourhood& around, const AdviceOptions& options)
      : observation_(observation),
        processes_(processes),
        current_(CurrentOf(observation.snapshots, processes)),
        around_(around),
        options_(options) {
    advice_.service = observation.snapshots[processes.front()].process.service;
    advice_.demand = demand;
    waiting_ = WaitingAt(observation.caps, advice_.service);
    advice_.situation = SituationOf(observation, processes, demand, waiting_, around);
    need_ = NeedOf(demand, waiting_, advice_.situation.left_behind != 0);
  }

  ServiceAdvice Advise() {
    AddCallSites();
    const bool unused =
        advice_.demand.use.count == 0 && advice_.demand.in_use_peak.connections == 0;
    if (unused && !Filled(advice_.situation.it)) {
      advice_.little_data = "no connection was used yet: there is nothing to propose from";
      return std::move(advice_);
    }
    SayHowLittle();
    SetCallSiteLimits();
    // How many a victim would have opened is not known: any limit might be too small for it.
    if (advice_.situation.it != Case::kVictim || options_.max) {
      AddServiceCaps();
      AddCallSiteCaps();
    }
    AddNotes();
    return std::move(advice_);
  }

 private:
  bool EachHasItsOwn() const { return reporter::EachHasItsOwn(advice_.demand); }

  void SayHowLittle() {
    const Demand& demand = advice_.demand;
    std::string& little = advice_.little_data;
    if (demand.observed_ns < kEnoughObservedNs) {
      little = fmt::format("measured for {} only", HumanDuration(demand.observed_ns));
    }
    if (demand.use.count < kEnoughUses) {
      little += fmt::format("{}{} uses only", little.empty() ? "measured in " : ", in ",
                            demand.use.count);
    }
    if (!little.empty()) little += ": ask again later, and at the busiest time of the day";
  }

  void AddCallSites() {
    const std::vector<Snapshot>& snapshots = observation_.snapshots;
    for (const CallSiteGroup& group : observation_.call_sites) {
      if (!Connects(group)) continue;
      CallSiteAdvice site;
      site.id = group.id;
      site.ids = std::max<uint64_t>(1, group.ids.size());
      uint64_t busy_ns = 0;
      uint64_t held_ns = 0;
      for (const GroupedConnection& place : group.connections) {
        const Snapshot& snapshot = snapshots[place.snapshot];
        const Connection& connection = snapshot.connections[place.connection];
        if (!IsIn(current_, place.snapshot) || !IsOpen(connection)) continue;
        busy_ns += InUseNs(connection, snapshot.as_of_ns);
        held_ns += Since(snapshot.as_of_ns, connection.established_ns);
      }
      uint64_t since_ns = 0;
      for (const CallSiteMember& member : group.members) {
        if (!IsIn(processes_, member.snapshot)) continue;
        const Snapshot& snapshot = snapshots[member.snapshot];
        const CallSite& recorded = snapshot.call_sites[member.call_site];
        if (IsIn(current_, member.snapshot)) site.open += recorded.open;
        site.peak += recorded.peak;
        site.opened += recorded.opened;
        busy_ns += recorded.busy_ns;
        held_ns += recorded.closed_life_ns;
        since_ns = std::max(since_ns, Since(snapshot.as_of_ns, recorded.first_ns));
      }
      if (site.opened == 0) continue;
      const PlaceNeed need = NeedOfPlace(snapshots, group, processes_);
      site.in_use_peak = need.connections;
      site.process_peak = need.of_process;
      if (held_ns != 0) {
        site.busy_share =
            std::min(1.0, static_cast<double>(busy_ns) / static_cast<double>(held_ns));
      }
      if (since_ns != 0) {
        site.connects_per_s =
            static_cast<double>(site.opened) * 1e9 / static_cast<double>(since_ns);
      }
      if (const SourceFrame* frame = HeadlineFrame(group.frames, options_.library_paths)) {
        site.place = DescribeSite(group.frames, static_cast<size_t>(frame - group.frames.data()),
                                  group.caller);
      }
      advice_.call_sites.push_back(std::move(site));
    }
    std::stable_sort(advice_.call_sites.begin(), advice_.call_sites.end(),
                     [](const CallSiteAdvice& a, const CallSiteAdvice& b) {
                       return std::pair(a.open, a.opened) > std::pair(b.open, b.opened);
                     });
  }

  // What each place needs, in all processes.
  void SetCallSiteLimits() {
    const uint64_t processes = EachHasItsOwn() ? advice_.demand.processes : 1;
    for (CallSiteAdvice& site : advice_.call_sites) {
      const PlaceNeed need = {site.in_use_peak, site.process_peak};
      site.limit =
          advice_.situation.it == Case::kTooSmall && site.open != 0
              ? processes * kBindingTimes * (EachHasItsOwn() ? site.process_peak : site.in_use_peak)
              : EnoughFor(need, advice_.demand, options_.headroom_percent);
    }
  }

  // Whether a place keeps so many more than it needs that the service's others would wait for them
  // under a limit for all that leaves room.
  bool Hoards(const CallSiteAdvice& site) const {
    return advice_.situation.it == Case::kHoard && site.id != 0 && site.open > site.limit &&
           std::count_if(advice_.call_sites.begin(), advice_.call_sites.end(),
                         [](const CallSiteAdvice& each) { return each.open != 0; }) > 1;
  }

  // The limits of the places that keep connections, where one of them hoards.
  std::optional<Derived> OfPlaces() const {
    const auto& sites = advice_.call_sites;
    if (std::none_of(sites.begin(), sites.end(),
                     [&](const CallSiteAdvice& site) { return Hoards(site); })) {
      return std::nullopt;
    }
    const uint64_t processes = EachHasItsOwn() ? advice_.demand.processes : 1;
    Derived sum{0, {}};
    uint64_t places = 0;
    for (const CallSiteAdvice& site : sites) {
      if (site.open == 0) continue;
      const uint64_t limit = site.limit / processes;
      sum.limit += limit;
      sum.words += fmt::format("{}{}", places++ == 0 ? "" : " + ", limit);
    }
    sum.words += fmt::format(
        " for the {} places that keep connections (each what it had in use at once + {} % "
        "headroom), since what one keeps no other can have",
        places, options_.headroom_percent);
    return sum;
  }

  static bool IsIn(const std::vector<size_t>& processes, size_t snapshot) {
    return std::binary_search(processes.begin(), processes.end(), snapshot);
  }

  void AddServiceCaps() {
    ProposedCap service = NewCap("service", caps::kScopeService, "");
    ProposedCap process = NewCap("process", caps::kScopeProcess, "-process");
    if (EachHasItsOwn()) {
      SetEach(&process, &service);
    } else {
      const Deriver deriver(advice_.demand, need_, options_);
      if (advice_.situation.it == Case::kTooSmall) {
        Take(Binding(advice_.demand.open), &service);
      } else {
        Take(OfPlaces().value_or(deriver.OfService()), &service);
      }
      if (!Filled(advice_.situation.it)) NeverReached(advice_.demand.open_peak, "", &service);
    }
    LeaveRoomOnFullServer(&service, &process);
    SetTimeouts(&service);
    process.wait_timeout_s = service.wait_timeout_s;
    advice_.caps.push_back(std::move(service));
    if (EachHasItsOwn()) advice_.caps.push_back(std::move(process));
  }

  // Of processes that keep connections of their own.
  void SetEach(ProposedCap* process, ProposedCap* service) const {
    const Demand& demand = advice_.demand;
    const Deriver deriver(demand, need_, options_);
    if (advice_.situation.it == Case::kTooSmall) {
      Take(Binding(demand.process_peak.connections), process);
    } else {
      Take(OfPlaces().value_or(deriver.OfProcess()), process);
    }
    if (!Filled(advice_.situation.it))
      NeverReached(demand.process_open_peak, " in one process", process);
    service->limit = std::min(demand.processes * process->limit, kLargestLimit);
    service->enough = std::min(demand.processes * process->enough, kLargestLimit);
    service->arithmetic.push_back(
        fmt::format("limit {} = {} processes × {} each, since what one keeps no other can have",
                    service->limit, demand.processes, process->limit));
  }

  static void Take(const Derived& derived, ProposedCap* cap) {
    cap->limit = cap->enough = derived.limit;
    cap->arithmetic.push_back(fmt::format("limit {} = {}", derived.limit, derived.words));
  }

  // Nobody else asks for room: a limit is there for what has not happened yet, and no connect of
  // the program as it is meets it. That includes what fills its pools at its start.
  void NeverReached(uint64_t open_peak, const std::string& where, ProposedCap* cap) const {
    const Derived above =
        Above(open_peak, "open at once" + where + " at the peak", options_.headroom_percent);
    if (above.limit <= cap->limit) return;
    std::string& needed = cap->arithmetic.back();
    needed = fmt::format("{} would do: {}", cap->limit, needed.substr(needed.find("= ") + 2));
    cap->limit = above.limit;
    cap->arithmetic.insert(
        cap->arithmetic.begin(),
        fmt::format("limit {} = {}, so that it is never reached", above.limit, above.words));
  }

  ProposedCap NewCap(const std::string& scope, uint32_t policy_scope, const std::string& more) {
    ProposedCap cap;
    cap.scope = scope;
    cap.name = CapName(advice_.service, more);
    const CapsPolicy* existing = ExistingCap(observation_.caps, advice_.service, policy_scope);
    // Of one process it is all the same.
    if (existing == nullptr && advice_.demand.processes == 1)
      existing = ExistingCap(observation_.caps, advice_.service, caps::kScopeProcess);
    if (existing != nullptr) {
      cap.existing = existing->policy.filed.name;
      cap.existing_limit = existing->policy.rule.limit;
    }
    return cap;
  }

  // What filled the server once must not do so again under its cap. What comes and goes, or leaks,
  // has no other bound: the more a leak may have, the longer its service works.
  void LeaveRoomOnFullServer(ProposedCap* service, ProposedCap* process) const {
    const Case it = advice_.situation.it;
    const uint64_t held = advice_.demand.held_when_full;
    const uint64_t room = std::max<uint64_t>(1, held * kFullPercent / 100);
    const bool has_room = service->limit == room || (it == Case::kHoard && service->limit < room);
    if (options_.max || !Filled(it) || has_room) return;
    const bool raised = service->limit < room;
    if (raised && EachHasItsOwn()) {
      process->limit = std::max(process->limit, room / advice_.demand.processes);
      process->arithmetic.push_back(fmt::format("raised to {} = {} of the service / {} processes",
                                                process->limit, room, advice_.demand.processes));
    }
    LimitTo(room, advice_.demand.processes, service, process);
    service->enough = service->limit;
    process->enough = process->limit;
    service->arithmetic.push_back(fmt::format(
        "{} to {} = {} % of the {} that were open here when the server had no slot left, so that "
        "others find room; --max says how many there are to share",
        raised ? "raised" : "lowered", service->limit, kFullPercent, held));
  }

  void SetTimeouts(ProposedCap* service) {
    const Demand& demand = advice_.demand;
    const uint64_t held_ns = demand.short_lived ? demand.usual_life_ns : demand.use.p95_ns;
    const auto seconds = [](uint64_t ns) { return (ns + kSecond - 1) / kSecond; };
    service->wait_timeout_s = std::clamp<uint64_t>(seconds(kWaits * held_ns), 1, kLongestWaitS);
    service->arithmetic.push_back(fmt::format(
        "wait_timeout {}s = {} times the {} that {}, in whole seconds from 1 to {}",
        service->wait_timeout_s, kWaits, BriefDuration(held_ns),
        demand.short_lived ? "a connection lives for on average" : "95 in 100 uses take at most",
        kLongestWaitS));
  }

  void AddCallSiteCaps() {
    const uint64_t processes = EachHasItsOwn() ? advice_.demand.processes : 1;
    const ProposedCap base = advice_.caps.back();
    for (const CallSiteAdvice& site : advice_.call_sites) {
      if (!Hoards(site)) continue;
      if (site.ids > 1) {
        advice_.notes.push_back(fmt::format(
            "no cap of its own for {}: a compiler made {} calls of that line, each with an id, and "
            "a cap of a call site holds for one of them",
            site.place.empty() ? CallSiteName(site.id) : site.place, site.ids));
        continue;
      }
      ProposedCap cap = base;
      cap.existing.clear();
      cap.call_site = site.id;
      cap.name = fmt::format("advised-{:016x}", site.id);
      cap.existing_limit = 0;
      cap.limit = cap.enough = std::min(site.limit / processes, base.limit);
      cap.arithmetic = {fmt::format(
          "limit {} = {} in use at once{} at the peak + {} % headroom, rounded up: {} are open "
          "there, and the service's other places must not wait for these",
          cap.limit, processes == 1 ? site.in_use_peak : site.process_peak,
          processes == 1 ? "" : " in one process", options_.headroom_percent, site.open)};
      advice_.caps.push_back(std::move(cap));
    }
  }

  void AddNotes() {
    const Demand& demand = advice_.demand;
    std::vector<std::string>& notes = advice_.notes;
    if (advice_.situation.it == Case::kTooSmall) {
      notes.push_back(fmt::format(
          "{:.1f} uses a second × {} each = {:.1f} at once (Little's law); raise the limit of the "
          "program's own pool: a cap alone gives it no more connections",
          demand.uses_per_s, BriefDuration(demand.use.mean_ns),
          demand.uses_per_s * static_cast<double>(demand.use.mean_ns) / 1e9));
    }
    if (demand.forgotten != 0) {
      notes.push_back(fmt::format(
          "{} of the {} in use now {} idle in a transaction for {} or longer, or in the middle of "
          "an answer that nobody has read for {}: left out of what is needed, though the server "
          "keeps their locks",
          demand.forgotten, demand.in_use, demand.forgotten == 1 ? "is" : "are",
          HumanDuration(kForgottenInTransactionNs), HumanDuration(kForgottenInAnswerNs)));
    }
    AddLeaks();
    if (demand.short_lived && demand.connects_per_s >= 1) {
      notes.push_back(fmt::format(
          "{:.1f} connects a second live for {} each: a pool of {} would do in their place",
          demand.connects_per_s, BriefDuration(demand.usual_life_ns),
          WithHeadroom(need_.connections, options_.headroom_percent)));
    }
    if (EachHasItsOwn() && demand.in_use_peak.connections < demand.processes) {
      notes.push_back(fmt::format(
          "all processes together had at most {} in use at once: a pooler that they share would do "
          "with {}",
          demand.in_use_peak.connections,
          WithHeadroom(demand.in_use_peak.connections, options_.headroom_percent)));
    }
    if (demand.one_each_thread && !demand.short_lived && !advice_.caps.empty() &&
        demand.open > advice_.caps.front().limit) {
      notes.push_back(fmt::format(
          "each of the {} open was opened by another thread: where every thread keeps one for "
          "itself, some would have none; let them share a pool first",
          demand.open));
    }
    if (Filled(advice_.situation.it) && !advice_.caps.empty()) {
      advice_.idle_backends =
          advice_.situation.it == Case::kFlood
              ? std::vector<int32_t>()
              : IdleBackends(processes_, advice_.situation, advice_.caps.front().limit, around_);
    }
  }

  // Under a limit a leak hurts nobody else, and ends with the service's own standstill.
  void AddLeaks() {
    for (const CallSiteAdvice& site : advice_.call_sites) {
      const auto left = around_.left_behind.find(site.id);
      if (left == around_.left_behind.end() || left->second == 0) continue;
      advice_.notes.push_back(fmt::format(
          "{} left behind at {} {} not counted as needed; a limit keeps a leak from others, and "
          "the "
          "service itself stands still when it has leaked so many: mend it (`pqleash report`)",
          Connections(left->second), site.place.empty() ? "one place" : site.place,
          left->second == 1 ? "is" : "are"));
    }
  }

  const Observation& observation_;
  const std::vector<size_t>& processes_;
  const std::vector<size_t> current_;  // of these
  const Neighbourhood& around_;
  const AdviceOptions& options_;
  uint64_t waiting_ = 0;  // connects at caps
  Need need_;
  ServiceAdvice advice_;
};

// The most that there has been of what a cap counts, and headroom: with fewer allowed, a pool that
// keeps what it has waits for itself.
uint64_t LeastLive(const ServiceAdvice& service, const ProposedCap& cap,
                   uint32_t headroom_percent) {
  uint64_t open =
      cap.scope == "process" ? service.demand.process_open_peak : service.demand.open_peak;
  for (const CallSiteAdvice& site : service.call_sites) {
    if (cap.call_site != 0 && site.id == cap.call_site) open = std::max(site.peak, site.open);
  }
  return WithHeadroom(open, headroom_percent);
}

// A cap that is made while the service runs does good where slots become free under it by
// themselves, or where somebody waits at a lower one.
bool DoesGoodAtOnce(const ServiceAdvice& service, const ProposedCap& cap,
                    const AdviceOptions& options) {
  const Case it = service.situation.it;
  if (!cap.existing.empty() && cap.limit == cap.existing_limit) return false;
  if (it == Case::kQueue) return !cap.existing.empty() && cap.limit > cap.existing_limit;
  if (it == Case::kFlood) return cap.existing.empty() || cap.limit < cap.existing_limit;
  if (!options.max) return false;
  const bool comes_and_goes = service.demand.short_lived && it != Case::kHoard;
  return (comes_and_goes && service.situation.left_behind == 0) ||
         cap.limit >= LeastLive(service, cap, options.headroom_percent);
}

// After all limits are what they are going to be.
void SayWhatItSaves(ServiceAdvice* service) {
  if (service->caps.empty()) return;
  ProposedCap& cap = service->caps.front();
  const uint64_t open = service->demand.open;
  if (open <= cap.limit) return;
  cap.arithmetic.push_back(
      fmt::format("now {} are open: {} fewer on the server", open, Connections(open - cap.limit)));
}

}  // namespace

Advice Advise(const std::vector<Snapshot>& snapshots, const std::vector<CallSiteGroup>& call_sites,
              const std::vector<CapsPolicy>& caps, const AdviceOptions& options,
              const Occasion& occasion) {
  Advice advice;
  advice.generated_realtime_ns = occasion.realtime_ns;
  advice.host = occasion.host;
  advice.options = options;
  std::map<std::string, std::vector<size_t>> services;
  for (size_t i = 0; i < snapshots.size(); ++i) {
    services[snapshots[i].process.service].push_back(i);
  }
  Observation observation{.snapshots = snapshots,
                          .call_sites = call_sites,
                          .thresholds = {},
                          .library_paths = options.library_paths,
                          .caps = caps,
                          .realtime_ns = occasion.realtime_ns};
  observation.leak_sites = LeakSites(observation);
  std::vector<Demand> demands;
  for (const auto& [name, processes] : services) demands.push_back(DemandOf(snapshots, processes));
  const Neighbourhood around = LookAround(observation, demands);
  auto demand = demands.begin();
  for (const auto& [name, processes] : services) {
    advice.services.push_back(
        ServiceAdviser(observation, processes, *demand++, around, options).Advise());
  }
  ShareOut(&advice);
  for (ServiceAdvice& service : advice.services) {
    for (ProposedCap& cap : service.caps) cap.live = DoesGoodAtOnce(service, cap, options);
    SayWhatItSaves(&service);
    Pronounce(options, &service);
  }
  return advice;
}

}  // namespace pqleash::reporter
