// SPDX-License-Identifier: Apache-2.0

#include "reporter/advice/verdict.h"

#include <fmt/format.h>

#include <algorithm>

namespace pqleash::reporter {
namespace {

const char* WasOrWere(uint64_t count) { return count == 1 ? "was" : "were"; }

// 'at most 2 were in use at once, and 10 open at once'
std::string AtOnce(const Demand& demand) {
  const uint64_t used = demand.in_use_peak.connections;
  return fmt::format("at most {} {} in use at once, and {} open at once", used, WasOrWere(used),
                     demand.open_peak);
}

std::string NotFull(const Demand& demand) {
  if (demand.server_full_ever == 0) return "the server has never been full for it";
  return fmt::format("the server has not been full for it in the last {}",
                     HumanDuration(kHistoryPeriods * kHistoryPeriodNs));
}

std::string HeldWhenFull(const Demand& demand) {
  return fmt::format("{} were open here when the server had no slot left for {} connect{}",
                     demand.held_when_full, demand.server_full, demand.server_full == 1 ? "" : "s");
}

std::string Summary(const ServiceAdvice& service) {
  const Demand& demand = service.demand;
  const Situation& situation = service.situation;
  switch (situation.it) {
    case Case::kFine:
      return fmt::format("no limit needed: {}; {}", AtOnce(demand), NotFull(demand));
    case Case::kVictim:
      return fmt::format(
          "no limit needed here: the server had no slot left for {} of its connects, and {} open "
          "here then at most: others have filled it, see `pqleash report`",
          demand.server_full,
          fmt::format("{} {}", demand.held_when_full, WasOrWere(demand.held_when_full)));
    case Case::kFlood:
      return fmt::format(
          "a limit is needed: {}; they come and go, so that it frees slots by itself",
          HeldWhenFull(demand));
    case Case::kHoard:
      return fmt::format("a limit is needed, from its next start on: {}; they are kept",
                         HeldWhenFull(demand));
    case Case::kFullLeak:
      return fmt::format("a limit is needed, from its next start on: {}; {} are left behind",
                         HeldWhenFull(demand), situation.left_behind);
    case Case::kLeak:
      return fmt::format("no limit mends a leak: {} connections are left behind; {}; {} so far",
                         situation.left_behind, AtOnce(demand), NotFull(demand));
    case Case::kQueue:
      return fmt::format("the limit in force is too small: connects wait for it; {}; {}",
                         AtOnce(demand), NotFull(demand));
    case Case::kTooSmall:
      return fmt::format(
          "its own limit is too small, and no cap makes it larger: all {} that are open are taken; "
          "{}",
          demand.open, NotFull(demand));
    case Case::kSlower:
      return fmt::format(
          "no limit helps: a use takes {}, and took {}, so that all {} are taken; look for what "
          "they wait for (`pqleash report --dsn`)",
          BriefDuration(situation.slower->now_ns), BriefDuration(situation.slower->before_ns),
          demand.open);
    case Case::kSurplus:
      return fmt::format("no limit needed, though fewer connections would do: {}; {}",
                         AtOnce(demand), NotFull(demand));
  }
  return "";
}

// Why no limit does at once, of a service that has filled the server.
std::vector<std::string> AtOnceInstead(const ServiceAdvice& service) {
  const Demand& demand = service.demand;
  const Situation& situation = service.situation;
  if (service.caps.empty()) return {};
  const uint64_t limit = service.caps.front().limit;
  std::vector<std::string> sentences;
  if (situation.it == Case::kFullLeak) {
    sentences.push_back(
        fmt::format("no limit gives a slot back: {} of the {} open are left behind, and a cap "
                    "closes none; with "
                    "it {} would stand still",
                    situation.left_behind, demand.open, service.service));
  } else {
    sentences.push_back(fmt::format(
        "no limit gives a slot back: the {} open are kept, and a cap closes none; with it {} would "
        "wait for itself",
        demand.open, service.service));
  }
  sentences.push_back(fmt::format("what does: a restart with the limit in its file{}",
                                  demand.open > limit
                                      ? fmt::format(", {} open in place of {}", limit, demand.open)
                                      : std::string()));
  if (situation.fill > limit && situation.left_behind == 0) {
    sentences.push_back(
        fmt::format("it opens {} in its first seconds, and waits for those beyond {}: set the size "
                    "of its own pool as well, {} in all",
                    situation.fill, limit, limit));
  }
  return sentences;
}

// One that is in force, perhaps because this was asked before.
std::string InForce(const ProposedCap& cap) {
  return fmt::format("the cap {} of {} is in force and leaves that room", cap.existing,
                     cap.existing_limit);
}

// The user has named a maximum, and a limit is below what the pool has.
std::string BelowWhatIsOpen(const ServiceAdvice& service) {
  return fmt::format(
      "at once it would hold the connects of a pool that has had {} open: it is for the file",
      service.demand.open_peak);
}

}  // namespace

std::string BriefDuration(uint64_t ns) {
  if (ns >= kSecond) return HumanDuration(ns);
  return ns < kMillisecond ? "less than 1 ms" : fmt::format("{} ms", ns / kMillisecond);
}

void Pronounce(const AdviceOptions& options, ServiceAdvice* service) {
  const Case it = service->situation.it;
  const bool live = std::any_of(service->caps.begin(), service->caps.end(),
                                [](const ProposedCap& cap) { return cap.live; });
  service->needed = Filled(it) || it == Case::kQueue;
  service->summary = Summary(*service);
  if ((it == Case::kHoard || it == Case::kFullLeak) && !live) {
    service->at_once = AtOnceInstead(*service);
  } else if (it == Case::kFlood && !live && !service->caps.empty()) {
    service->at_once = {InForce(service->caps.front())};
  } else if (options.max && !live && !service->caps.empty()) {
    service->at_once = {BelowWhatIsOpen(*service)};
  }
}

}  // namespace pqleash::reporter
