// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/advice_toml.h"

#include <fmt/format.h>

#include <sstream>
#include <string>

#include "reporter/render/layout.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

// Escaped text has no line breaks, so that nothing of it can leave the comment.
void WriteComment(const std::string& escaped, std::ostream& out) {
  std::stringstream lines;
  WriteWrapped("", escaped, lines);
  for (std::string line; std::getline(lines, line);) out << "# " << line << '\n';
}

void WriteCap(const ProposedCap& cap, const ServiceAdvice& service, std::ostream& out) {
  out << '\n';
  for (const std::string& sentence : cap.arithmetic) WriteComment(Escape(sentence), out);
  if (cap.call_site != 0) {
    for (const CallSiteAdvice& site : service.call_sites) {
      if (site.id == cap.call_site && !site.place.empty())
        WriteComment("opened by " + Escape(site.place), out);
    }
    WriteComment("the id of a call site changes with the build: take it from `pqleash report`",
                 out);
  }
  out << "[[cap]]\n" << fmt::format("name = \"{}\"\n", cap.name);
  if (cap.call_site != 0) out << fmt::format("call_site = \"{}\"\n", CallSiteName(cap.call_site));
  out << fmt::format("scope = \"{}\"\nlimit = {}\non_limit = \"wait\"\nwait_timeout = \"{}s\"\n",
                     cap.scope, cap.limit, cap.wait_timeout_s);
}

}  // namespace

void RenderAdviceToml(const Advice& advice, const ServiceAdvice& service, std::ostream& out) {
  const Demand& demand = service.demand;
  WriteComment(fmt::format("pqleash advise, {} UTC: service {}, measured for {} in {} {}",
                           UtcTime(advice.generated_realtime_ns), Escape(service.service),
                           HumanDuration(demand.observed_ns), demand.processes,
                           demand.processes == 1 ? "process" : "processes"),
               out);
  if (!service.summary.empty()) WriteComment(Escape(service.summary), out);
  if (!service.little_data.empty()) WriteComment("little data: " + service.little_data, out);
  for (const std::string& note : service.notes) WriteComment(Escape(note), out);
  for (const std::string& sentence : advice.shares) WriteComment(sentence, out);
  for (const ProposedCap& cap : service.caps) WriteCap(cap, service, out);
}

}  // namespace pqleash::reporter
