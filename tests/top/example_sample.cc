// SPDX-License-Identifier: Apache-2.0

#include "tests/top/example_sample.h"

#include <cstring>
#include <utility>

#include "reporter/words/duration.h"

namespace pqleash::reporter::top {

ReportCallSite ExampleSite(uint64_t id, const std::string& function, uint64_t open,
                           uint64_t in_use) {
  ReportCallSite site;
  site.id = id;
  site.processes = 1;
  site.open = open;
  site.opened = open + 10;
  site.closed = 10;
  site.in_use = in_use;
  SourceFrame frame;
  frame.function = function;
  frame.file = "/srv/shop/" + function + ".py";
  frame.line = 42;
  frame.language = Language::kPython;
  site.frames = {frame};
  site.headline = 0;
  for (uint64_t i = 0; i < open; ++i) {
    ReportConnection connection;
    connection.handle = 0x1000 * id + i;
    connection.pid = 4711;
    connection.backend_pid = static_cast<int32_t>(9'000 + i);
    connection.life = Life::kLive;
    connection.transaction = i < in_use ? Transaction::kOpen : Transaction::kIdle;
    connection.target = {"db1", "orders", "app", "", 5432};
    connection.age_ns = (100 + i) * kSecond;
    connection.idle_ns = (10 + i) * kSecond;
    connection.commands = i;
    site.connections.push_back(connection);
  }
  site.oldest_age_ns = 200 * kSecond;
  site.max_idle_ns = 60 * kSecond;
  return site;
}

ServiceSample ExampleService(const std::string& name, int32_t pid,
                             std::vector<ReportCallSite> sites) {
  ServiceSample service;
  service.name = name;
  ReportProcess process;
  process.pid = pid;
  process.service = name;
  process.ledger = "/dev/shm/pqleash-0/" + std::to_string(pid);
  process.life = Life::kLive;
  for (const ReportCallSite& site : sites) {
    process.totals.open += site.open;
    process.totals.opened += site.opened;
    process.totals.closed += site.closed;
  }
  service.report.processes = {process};
  service.report.call_sites = std::move(sites);
  return service;
}

Finding ExampleFinding(std::string_view kind, uint64_t call_site) {
  Finding finding;
  finding.kind = kind;
  finding.confidence = Confidence::kProven;
  finding.severity = Severity::kCritical;
  finding.summary = "30 connections of checkout are never closed";
  finding.advice = "close them in a finally block";
  finding.call_site = call_site;
  finding.connections = 30;
  finding.evidence = {{"open_connections", 30, "connections"}};
  return finding;
}

CapsPolicy ExampleCap(const std::string& name, const std::string& service, uint32_t limit,
                      uint64_t use) {
  CapsPolicy cap;
  cap.board = "/dev/shm/pqleash-0/caps-1-1.board";
  std::strncpy(cap.policy.filed.name, name.c_str(), sizeof cap.policy.filed.name - 1);
  cap.policy.filed.kind = caps::kCap;
  cap.policy.filed.scope = service.empty() ? caps::kScopeUser : caps::kScopeService;
  cap.policy.rule.limit = limit;
  cap.policy.rule.on_limit = caps::kReject;
  cap.policy.service = service;
  cap.policy.counters.use = use;
  return cap;
}

Sample ExampleSample(uint64_t seconds, std::vector<ServiceSample> services) {
  Sample sample;
  sample.at_ns = (1'000 + seconds) * kSecond;
  sample.report.generated_realtime_ns = 1'795'264'803'250'000'000;
  sample.report.host = "web-1";
  sample.report.answer.sentence = "No leak, and no limit that is too small";
  for (const ServiceSample& service : services) {
    const Report& of = service.report;
    Report& all = sample.report;
    all.processes.insert(all.processes.end(), of.processes.begin(), of.processes.end());
    all.call_sites.insert(all.call_sites.end(), of.call_sites.begin(), of.call_sites.end());
    all.findings.insert(all.findings.end(), of.findings.begin(), of.findings.end());
  }
  sample.services = std::move(services);
  return sample;
}

Sample Busy() {
  ServiceSample orders = ExampleService(
      "orders", 4711, {ExampleSite(1, "checkout", 30, 5), ExampleSite(2, "search", 10, 1)});
  orders.report.findings = {ExampleFinding("lost-handle", 1)};
  Sample sample = ExampleSample(
      0, {ExampleService("billing", 4712, {ExampleSite(3, "invoice", 2, 0)}), std::move(orders),
          ExampleService("\x1b[2J名前\nX", 4713, {ExampleSite(4, "漢字漢字漢字漢字", 1, 0)})});
  sample.caps.policies = {ExampleCap("db", "orders", 40, 40), ExampleCap("all", "", 90, 43)};
  sample.report.answer = {
      Answer::Verdict::kLeak,
      "A leak: 30 connections that checkout of orders has opened were lost, and "
      "every second brings another one; a higher limit would be used up as well"};
  return sample;
}

}  // namespace pqleash::reporter::top
