// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>

#include <iostream>
#include <memory>
#include <utility>

#include "reporter/commands/command.h"
#include "reporter/commands/serve_options.h"
#include "reporter/observe/collect.h"
#include "reporter/serve/hook.h"
#include "reporter/serve/http_server.h"
#include "reporter/serve/observer.h"
#include "reporter/serve/search.h"
#include "reporter/serve/shared_document.h"
#include "reporter/serve/site.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

constexpr Listener::Bounds kBounds = {.threads = 16, .waiting = 400};
constexpr size_t kMaxWaitingForReport = 4;  // threads that others cannot have meanwhile

}  // namespace

int RunServe(const Arguments& arguments) {
  ServeOptions options;
  if (const auto exit_code = ReadServeOptions(arguments, &options)) return *exit_code;

  // Before there are threads, so that all of them leave these to the wait below.
  sigset_t ends;
  sigemptyset(&ends);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&ends, signal);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // A heap for each of the threads would be held by each.
  mallopt(M_ARENA_MAX, 2);

  std::unique_ptr<Hook> hook;
  if (!options.on_finding.empty())
    hook = std::make_unique<Hook>(options.on_finding, Hook::Bounds{});
  const MemorySearch search(options.directory, options.scan_interval);
  const Observer observer(
      {options.directory, options.interval, options.top, options.on_finding_level}, &search,
      hook.get());
  SharedDocument report([&] { return observer.ReportText(); }, options.interval,
                        kMaxWaitingForReport);

  const bool tls = options.tls != nullptr;
  const Site site = {.metrics = [&] { return observer.Metrics(); },
                     .report = [&] { return report.Get(); },
                     .healthy = [&] { return observer.IsHealthy(); },
                     .credentials = options.credentials,
                     .host = options.address.host,
                     .loopback = options.address.loopback};
  HttpServer server(kBounds, std::move(options.tls),
                    [&](const HttpRequest& request) { return AnswerOf(site, request); });
  if (const auto problem = server.Start(options.address)) {
    Diagnose("serve: " + *problem);
    return kFailed;
  }
  std::cout << fmt::format("listening on {}\n", UrlOf(options.address, server.port(), tls));
  if (const int exit_code = FinishOutput(); exit_code != kFine) return exit_code;
  int signal = 0;
  sigwait(&ends, &signal);
  server.Stop();
  return kFine;
}

}  // namespace pqleash::reporter
