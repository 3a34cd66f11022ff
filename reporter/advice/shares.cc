// SPDX-License-Identifier: Apache-2.0

#include "reporter/advice/shares.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace pqleash::reporter {
namespace {

uint64_t SumOf(const Advice& advice, uint64_t ProposedCap::*number) {
  uint64_t sum = 0;
  for (const ServiceAdvice& service : advice.services) {
    if (!service.caps.empty()) sum += service.caps.front().*number;
  }
  return sum;
}

ProposedCap* ProcessCapOf(ServiceAdvice* service) {
  for (ProposedCap& cap : service->caps) {
    if (cap.scope == "process" && cap.call_site == 0) return &cap;
  }
  return nullptr;
}

void Lower(uint64_t limit, const std::string& words, ServiceAdvice* service) {
  ProposedCap& cap = service->caps.front();
  const uint64_t before = cap.limit;
  LimitTo(limit, service->demand.processes, &cap, ProcessCapOf(service));
  const ProposedCap* of_process = ProcessCapOf(service);
  for (ProposedCap& other : service->caps) {
    const bool each = other.scope == "process" && of_process != nullptr;
    other.limit = std::min(other.limit, each ? of_process->limit : cap.limit);
  }
  if (cap.limit == before) return;
  cap.arithmetic.push_back(
      fmt::format("lowered to {} = {}, rounded down{}", cap.limit, words,
                  cap.limit == service->demand.processes ? ", but one for each process" : ""));
  const uint64_t peak = service->demand.in_use_peak.connections;
  if (cap.limit < peak) {
    service->notes.push_back(fmt::format(
        "{} were in use at once at the peak: with {} some of it will wait", peak, cap.limit));
  }
}

// What all need fits: what is left is shared out in proportion to what each would have beyond it.
void ShareTheRest(uint64_t max, uint64_t asked, uint64_t needed, Advice* advice) {
  for (ServiceAdvice& service : advice->services) {
    if (service.caps.empty()) continue;
    const ProposedCap& cap = service.caps.front();
    const uint64_t more = (cap.limit - cap.enough) * (max - needed) / (asked - needed);
    Lower(cap.enough + more,
          fmt::format("{} that would do + {} of the {} slots that nobody needs", cap.enough, more,
                      max - needed),
          &service);
  }
  advice->shares.push_back(
      fmt::format("limits that are never reached added up to {}, more than the {} slots to share: "
                  "each has what would do, {} in all, and a part of the rest",
                  asked, max, needed));
}

void ShareInProportion(uint64_t max, uint64_t needed, Advice* advice) {
  for (ServiceAdvice& service : advice->services) {
    if (service.caps.empty()) continue;
    const uint64_t enough = service.caps.front().enough;
    Lower(enough * max / needed,
          fmt::format("{} × {} slots to share / {} that all services together ask for", enough, max,
                      needed),
          &service);
  }
  advice->shares.push_back(fmt::format(
      "what would do adds up to {}, more than the {} slots to share: each is lowered in "
      "proportion, to {} in all",
      needed, max, SumOf(*advice, &ProposedCap::limit)));
}

}  // namespace

void LimitTo(uint64_t limit, uint64_t processes, ProposedCap* service, ProposedCap* process) {
  service->limit = std::max({limit, processes, uint64_t{1}});
  if (process == nullptr) return;
  const uint64_t each = std::max<uint64_t>(1, service->limit / std::max<uint64_t>(processes, 1));
  if (process->limit <= each) return;
  process->limit = each;
  process->arithmetic.push_back(
      fmt::format("lowered to {} = {} of the service / {} processes, "
                  "rounded down",
                  each, service->limit, processes));
}

void ShareOut(Advice* advice) {
  const uint64_t asked = SumOf(*advice, &ProposedCap::limit);
  const uint64_t needed = SumOf(*advice, &ProposedCap::enough);
  advice->sum = asked;
  if (!advice->options.max) return;
  const uint64_t max = *advice->options.max;
  if (asked <= max) {
    advice->shares.push_back(fmt::format(
        "the limits add up to {} of the {} slots to share: {} are left", asked, max, max - asked));
    return;
  }
  if (needed <= max && needed < asked) {
    ShareTheRest(max, asked, needed, advice);
  } else {
    ShareInProportion(max, needed, advice);
  }
  advice->sum = SumOf(*advice, &ProposedCap::limit);
  if (advice->sum > max) {
    advice->shares.push_back(
        "even with one connection for each process they do not fit: fewer processes, a pooler that "
        "they share (pgbouncer), or a larger max_connections");
  }
}

}  // namespace pqleash::reporter
