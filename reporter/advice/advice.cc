// SPDX-License-Identifier: Apache-2.0

#include "reporter/advice/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <utility>

#include "reporter/advice/shares.h"
#include "reporter/call_sites/told_apart.h"
#include "reporter/duration.h"
#include "reporter/findings/detector.h"
#include "reporter/render/layout.h"
#include "reporter/snapshot/connection_times.h"
#include "shim/caps/policy.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kEnoughObservedNs = 30 * kSecond;
constexpr uint64_t kEnoughUses = 20;
constexpr uint64_t kBindingTimes = 2;       // a limit that binds: so many times what there is
constexpr uint64_t kFullPercent = 80;       // of what was held when the server was full
constexpr uint64_t kLeastHeldWhenFull = 5;  // whoever holds fewer did not fill it
constexpr uint64_t kWaits = 10;             // uses that a connect may wait for
constexpr uint64_t kLongestWaitS = 30;
constexpr uint64_t kLargestLimit = 1'000'000;  // that configurations take

std::string Short(uint64_t ns) {
  if (ns >= kSecond) return HumanDuration(ns);
  return ns < kMillisecond ? "less than 1 ms" : fmt::format("{} ms", ns / kMillisecond);
}

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

// For one service or one process of it, whose largest number in use at once was `peak`.
class Deriver {
 public:
  Deriver(const Demand& demand, uint64_t waiting, const AdviceOptions& options)
      : demand_(demand), waiting_(waiting), options_(options) {}

  Derived OfService() const {
    if (demand_.limit_binds) return Binding(demand_.open);
    const uint64_t peak = demand_.in_use_peak.connections;
    if (waiting_ != 0 && peak + waiting_ > demand_.little) return Waiting(peak);
    if (demand_.little > peak) return Little();
    return Above(peak, "in use at once at the peak" + At(demand_.in_use_peak),
                 options_.headroom_percent);
  }

  // Of each process, where processes keep connections of their own.
  Derived OfProcess() const {
    const uint64_t peak = demand_.process_peak.connections;
    if (demand_.limit_binds) return Binding(peak);
    return Above(peak, "in use at once in one process at the peak" + At(demand_.process_peak),
                 options_.headroom_percent);
  }

 private:
  // How many more are missing cannot be seen: who waits inside of the program has no connect yet.
  static Derived Binding(uint64_t open) {
    const uint64_t limit = std::clamp<uint64_t>(open, 1, kLargestLimit / 2) * kBindingTimes;
    return {limit, fmt::format("{} × the {} that are in use all the time: at least these are "
                               "needed, and how many more cannot be seen from outside; measure "
                               "again with it",
                               kBindingTimes, open)};
  }

  Derived Waiting(uint64_t peak) const {
    return Above(
        peak + waiting_,
        fmt::format("at once ({} in use at the peak and {} that wait at a cap)", peak, waiting_),
        options_.headroom_percent);
  }

  Derived Little() const {
    return Above(demand_.little,
                 fmt::format("at once ({:.1f} connects a second at the peak{} × {} that each is "
                             "kept: Little's law)",
                             demand_.little_arrivals_per_s,
                             demand_.held_back == 0 ? "" : ", those that a cap held back included,",
                             Short(demand_.usual_life_ns)),
                 options_.headroom_percent);
  }

  const Demand& demand_;
  uint64_t waiting_;
  const AdviceOptions& options_;
};

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

class ServiceAdviser {
 public:
  ServiceAdviser(const std::vector<Snapshot>& snapshots, std::vector<size_t> processes,
                 const std::vector<CallSiteGroup>& groups, const std::vector<CapsPolicy>& caps,
                 const AdviceOptions& options)
      : snapshots_(snapshots),
        processes_(std::move(processes)),
        current_(CurrentOf(snapshots, processes_)),
        groups_(groups),
        caps_(caps),
        options_(options) {}

  ServiceAdvice Advise() {
    advice_.service = snapshots_[processes_.front()].process.service;
    advice_.demand = DemandOf(snapshots_, processes_);
    const Demand& demand = advice_.demand;
    AddCallSites();
    if (demand.use.count == 0 && demand.in_use_peak.connections == 0) {
      advice_.little_data = "no connection was used yet: there is nothing to propose from";
      return std::move(advice_);
    }
    SayHowLittle();
    SetCallSiteLimits();
    AddServiceCaps();
    AddCallSiteCaps();
    AddNotes();
    return std::move(advice_);
  }

 private:
  // Connections that a pool keeps cannot be lent to another process.
  bool EachHasItsOwn() const { return advice_.demand.processes > 1 && !advice_.demand.short_lived; }

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
    for (const CallSiteGroup& group : groups_) {
      CallSiteAdvice site;
      site.id = group.id;
      std::map<size_t, uint64_t> forgotten;  // by snapshot
      uint64_t busy_ns = 0;
      uint64_t held_ns = 0;
      for (const GroupedConnection& place : group.connections) {
        const Snapshot& snapshot = snapshots_[place.snapshot];
        const Connection& connection = snapshot.connections[place.connection];
        if (!IsIn(current_, place.snapshot) || !IsOpen(connection)) continue;
        busy_ns += InUseNs(connection, snapshot.as_of_ns);
        held_ns += Since(snapshot.as_of_ns, connection.established_ns);
        forgotten[place.snapshot] += IsStuck(snapshot, connection, kForgottenInTransactionNs);
      }
      uint64_t since_ns = 0;
      for (const CallSiteMember& member : group.members) {
        if (!IsIn(processes_, member.snapshot)) continue;
        const Snapshot& snapshot = snapshots_[member.snapshot];
        const CallSite& recorded = snapshot.call_sites[member.call_site];
        const uint64_t least = std::min<uint64_t>(recorded.in_use_peak, 1);
        const uint64_t needed =
            std::max(least, Since(recorded.in_use_peak, forgotten[member.snapshot]));
        if (IsIn(current_, member.snapshot)) site.open += recorded.open;
        site.peak += recorded.peak;
        site.opened += recorded.opened;
        site.in_use_peak += needed;
        site.process_peak = std::max(site.process_peak, needed);
        busy_ns += recorded.busy_ns;
        held_ns += recorded.closed_life_ns;
        since_ns = std::max(since_ns, Since(snapshot.as_of_ns, recorded.first_ns));
      }
      if (site.opened == 0) continue;
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

  // What each place needs, in all processes or, where these have connections of their own, in one.
  void SetCallSiteLimits() {
    const uint64_t processes = EachHasItsOwn() ? advice_.demand.processes : 1;
    for (CallSiteAdvice& site : advice_.call_sites) {
      const uint64_t needed = EachHasItsOwn() ? site.process_peak : site.in_use_peak;
      site.limit = processes * (advice_.demand.limit_binds && site.open != 0
                                    ? kBindingTimes * needed
                                    : WithHeadroom(needed, options_.headroom_percent));
    }
  }

  // Whether a place keeps so many more than it needs that the service's others would wait for them
  // under a limit for all.
  bool Hoards(const CallSiteAdvice& site) const {
    return site.id != 0 && site.open > site.limit && !advice_.demand.short_lived &&
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
    return std::find(processes.begin(), processes.end(), snapshot) != processes.end();
  }

  void AddServiceCaps() {
    const Demand& demand = advice_.demand;
    const Deriver deriver(demand, WaitingAt(caps_, advice_.service), options_);
    ProposedCap service = NewCap("service", caps::kScopeService, "");
    ProposedCap process = NewCap("process", caps::kScopeProcess, "-process");
    if (EachHasItsOwn()) {
      const Derived each = OfPlaces().value_or(deriver.OfProcess());
      process.limit = each.limit;
      process.arithmetic.push_back(fmt::format("limit {} = {}", each.limit, each.words));
      service.limit = std::min(demand.processes * each.limit, kLargestLimit);
      service.arithmetic.push_back(
          fmt::format("limit {} = {} processes × {} each, since what one keeps no other can have",
                      service.limit, demand.processes, each.limit));
    } else {
      const Derived all = OfPlaces().value_or(deriver.OfService());
      service.limit = all.limit;
      service.arithmetic.push_back(fmt::format("limit {} = {}", all.limit, all.words));
    }
    LeaveRoomOnFullServer(&service, &process);
    SetTimeouts(&service);
    process.wait_timeout_s = service.wait_timeout_s;
    advice_.caps.push_back(std::move(service));
    if (EachHasItsOwn()) advice_.caps.push_back(std::move(process));
  }

  ProposedCap NewCap(const std::string& scope, uint32_t policy_scope, const std::string& more) {
    ProposedCap cap;
    cap.scope = scope;
    cap.name = CapName(advice_.service, more);
    if (const CapsPolicy* existing = ExistingCap(caps_, advice_.service, policy_scope)) {
      cap.existing = existing->policy.filed.name;
    }
    return cap;
  }

  // What filled the server once must not do so again under its cap.
  void LeaveRoomOnFullServer(ProposedCap* service, ProposedCap* process) {
    const uint64_t held = advice_.demand.held_when_full;
    const uint64_t room = held * kFullPercent / 100;
    if (options_.max || held < kLeastHeldWhenFull || service->limit <= room) return;
    LimitTo(room, advice_.demand.processes, service, process);
    service->arithmetic.push_back(
        fmt::format("lowered to {} = {} % of the {} that were open here when the server had no "
                    "slot left, so that others find room; --max says how many there are to share",
                    service->limit, kFullPercent, held));
  }

  void SetTimeouts(ProposedCap* service) {
    const Demand& demand = advice_.demand;
    const uint64_t held_ns = demand.short_lived ? demand.usual_life_ns : demand.use.p95_ns;
    const auto seconds = [](uint64_t ns) { return (ns + kSecond - 1) / kSecond; };
    service->wait_timeout_s = std::clamp<uint64_t>(seconds(kWaits * held_ns), 1, kLongestWaitS);
    service->arithmetic.push_back(fmt::format(
        "wait_timeout {}s = {} times the {} that {}, in whole seconds from 1 to {}",
        service->wait_timeout_s, kWaits, Short(held_ns),
        demand.short_lived ? "a connection lives for on average" : "95 in 100 uses take at most",
        kLongestWaitS));
  }

  void AddCallSiteCaps() {
    const uint64_t processes = EachHasItsOwn() ? advice_.demand.processes : 1;
    const ProposedCap base = advice_.caps.back();
    for (const CallSiteAdvice& site : advice_.call_sites) {
      if (!Hoards(site)) continue;
      ProposedCap cap = base;
      cap.existing.clear();
      cap.call_site = site.id;
      cap.name = fmt::format("advised-{:016x}", site.id);
      cap.limit = std::min(site.limit / processes, base.limit);
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
    if (demand.limit_binds) {
      notes.push_back(fmt::format(
          "the present limit binds: all {} open were in use, {:.1f} uses a second × {} each = "
          "{:.1f} "
          "at once (Little's law); raise the limit of the program's own pool, too: a cap alone "
          "gives it no more connections",
          demand.open, demand.uses_per_s, Short(demand.use.mean_ns),
          demand.uses_per_s * static_cast<double>(demand.use.mean_ns) / 1e9));
    }
    if (demand.forgotten != 0) {
      notes.push_back(fmt::format(
          "{} of the {} in use now {} idle in a transaction for {} or longer: left out of what is "
          "needed, though the server keeps their locks",
          demand.forgotten, demand.in_use, demand.forgotten == 1 ? "is" : "are",
          HumanDuration(kForgottenInTransactionNs)));
    }
    AddLeaks();
    if (demand.short_lived && demand.connects_per_s >= 1) {
      notes.push_back(fmt::format(
          "{:.1f} connects a second live for {} each: a pool of {} would do in their place",
          demand.connects_per_s, Short(demand.usual_life_ns), advice_.caps.front().limit));
    }
    if (EachHasItsOwn() && demand.in_use_peak.connections < demand.processes) {
      notes.push_back(fmt::format(
          "all processes together had at most {} in use at once: a pooler that they share would do "
          "with {}",
          demand.in_use_peak.connections,
          WithHeadroom(demand.in_use_peak.connections, options_.headroom_percent)));
    }
    if (demand.one_each_thread && demand.open > advice_.caps.front().limit) {
      notes.push_back(fmt::format(
          "each of the {} open was opened by another thread: where every thread keeps one for "
          "itself, some would have none; let them share a pool first",
          demand.open));
    }
  }

  // Under a limit a leak hurts nobody else, and ends with the service's own standstill.
  void AddLeaks() {
    const Observation observation{.snapshots = snapshots_,
                                  .call_sites = groups_,
                                  .thresholds = {},
                                  .library_paths = options_.library_paths,
                                  .caps = caps_};
    for (const Finding& finding : FindLeakSuspects(observation)) {
      for (const CallSiteAdvice& site : advice_.call_sites) {
        if (!finding.call_site || site.id != *finding.call_site) continue;
        advice_.notes.push_back(fmt::format(
            "{} left behind at {} {} not counted as needed; a limit keeps a leak from others, and "
            "the service itself stands still when it has leaked so many: mend it (`pqleash "
            "report`)",
            Connections(finding.connections), site.place.empty() ? "one place" : site.place,
            finding.connections == 1 ? "is" : "are"));
      }
    }
  }

  const std::vector<Snapshot>& snapshots_;
  const std::vector<size_t> processes_;
  const std::vector<size_t> current_;  // of these
  const std::vector<CallSiteGroup>& groups_;
  const std::vector<CapsPolicy>& caps_;
  const AdviceOptions& options_;
  ServiceAdvice advice_;
};

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

uint64_t WithHeadroom(uint64_t connections, uint32_t headroom_percent) {
  // A hostile ledger may claim any number.
  const uint64_t bounded = std::min(connections, kLargestLimit);
  const uint64_t hundredths = bounded * (100 + uint64_t{headroom_percent});
  return std::clamp<uint64_t>((hundredths + 99) / 100, 1, kLargestLimit);
}

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
  for (auto& [name, processes] : services) {
    advice.services.push_back(
        ServiceAdviser(snapshots, std::move(processes), call_sites, caps, options).Advise());
  }
  ShareOut(&advice);
  for (ServiceAdvice& service : advice.services) SayWhatItSaves(&service);
  return advice;
}

}  // namespace pqleash::reporter
