// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/advice_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reporter/render/layout.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"
#include "reporter/words/utc_time.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kCallSitesShown = 10;

std::string Time(uint64_t ns) {
  if (ns >= kSecond) return HumanDuration(ns);
  return ns < kMillisecond ? "<1 ms" : fmt::format("{} ms", ns / kMillisecond);
}

std::string Share(const std::optional<double>& share) {
  return share ? fmt::format("{:.0f} %", *share * 100) : std::string("-");
}

// `text` as one word for a shell; no value: it has characters that cannot be shown as they are.
std::optional<std::string> ShellWord(const std::string& text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+";
  if (Escape(text) != text) return std::nullopt;
  const bool plain = !text.empty() && text.find_first_not_of(kPlain) == std::string::npos;
  if (plain && text.front() != '-') return text;
  std::string quoted = "'";
  for (const char each : text) {
    if (each == '\'') {
      quoted += "'\\''";
    } else {
      quoted += each;
    }
  }
  return quoted + '\'';
}

std::string Waits(const Demand& demand) {
  if (demand.wait.count == 0) return "no waits at caps";
  return fmt::format("{} waits at caps of {} each (95 in 100 at most {})", demand.wait.count,
                     Time(demand.wait.mean_ns), Time(demand.wait.p95_ns));
}

void WriteMeasured(const Demand& demand, std::ostream& out) {
  std::string peak = fmt::format("in use at once {} at the peak", demand.in_use_peak.connections);
  if (demand.in_use_peak.realtime_ns != 0) {
    peak += fmt::format(" ({} UTC)", UtcTime(demand.in_use_peak.realtime_ns).substr(11));
  }
  std::vector<std::string> items = {fmt::format("open {} now", demand.open),
                                    fmt::format("{} at the peak", demand.open_peak),
                                    std::move(peak), fmt::format("{} now", demand.in_use)};
  if (demand.processes > 1) {
    items.push_back(fmt::format("{} in one process", demand.process_peak.connections));
  }
  WriteItems("  connections  ", items, out);
  WriteItems(fmt::format("  last {:<8} ", HumanDuration(demand.window_ns)),
             {fmt::format("busy {}", Share(demand.busy_share)),
              fmt::format("{:.1f} uses a second", demand.uses_per_s),
              fmt::format("{:.1f} connects a second", demand.connects_per_s)},
             out);
  std::vector<std::string> since;
  if (demand.use.count != 0) {
    since.push_back(fmt::format("{} uses of {} each (95 in 100 at most {})", demand.use.count,
                                Time(demand.use.mean_ns), Time(demand.use.p95_ns)));
  }
  since.push_back(Waits(demand));
  if (demand.server_full != 0) {
    since.push_back(fmt::format("the server was full for {} connects", demand.server_full));
  }
  WriteItems("  since start  ", since, out);
}

// Without the directory of its file, which fills the line; the JSON has it.
std::string ShortPlace(const std::string& place) {
  if (place.empty()) return "not recorded";
  const size_t open = place.rfind(" (");
  const size_t slash = place.rfind('/');
  if (open == std::string::npos || slash == std::string::npos || slash < open) return place;
  return place.substr(0, open + 2) + place.substr(slash + 1);
}

void WriteCallSites(const ServiceAdvice& service, std::ostream& out) {
  if (service.call_sites.empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const CallSiteAdvice& site : service.call_sites) {
    if (rows.size() == kCallSitesShown) break;
    rows.push_back({site.limit == 0 ? std::string("-") : std::to_string(site.limit),
                    std::to_string(site.open), std::to_string(site.peak),
                    std::to_string(site.in_use_peak), Share(site.busy_share),
                    fmt::format("{:.1f}/s", site.connects_per_s), CallSiteName(site.id),
                    CutEnd(Escape(ShortPlace(site.place)), 48)});
  }
  WriteTable({{"enough", true},
              {"open", true},
              {"peak", true},
              {"in use", true},
              {"busy", true},
              {"connects", true},
              {"call site"},
              {"opened by"}},
             rows, 2, out);
  if (service.call_sites.size() > rows.size()) {
    out << fmt::format("  and {} more\n", service.call_sites.size() - rows.size());
  }
}

std::string Title(const ProposedCap& cap) {
  const bool each = cap.scope == "process";
  std::string of = each ? "each process" : "the service";
  if (cap.call_site != 0) {
    of = fmt::format("call site {}{}", CallSiteName(cap.call_site), each ? " in each process" : "");
  }
  return fmt::format("limit {} of {}, on_limit wait for up to {}s", cap.limit, of,
                     cap.wait_timeout_s);
}

void WriteCap(const ProposedCap& cap, const Style& style, std::ostream& out) {
  out << "  " << style.Bold(Title(cap)) << '\n';
  for (const std::string& sentence : cap.arithmetic) {
    WriteWrapped("    ", Escape(sentence), out);
  }
}

// `pqleash caps` asks for it where as many are open as the limit allows. Those come free by
// themselves: a cap is not live otherwise.
const char* Force(const ProposedCap& cap, const Demand& demand) {
  return cap.limit <= demand.open_peak ? " --force" : "";
}

std::string Command(const ProposedCap& cap, const Demand& demand, const std::string& service_word) {
  if (!cap.existing.empty()) {
    const auto name = ShellWord(cap.existing);
    if (!name) return "";
    return fmt::format("pqleash caps set {} --service {} --limit {}{}", *name, service_word,
                       cap.limit, Force(cap, demand));
  }
  const std::string site =
      cap.call_site == 0 ? "" : fmt::format(" --call-site {}", CallSiteName(cap.call_site));
  return fmt::format(
      "pqleash caps add {} --service {} --scope {}{} --limit {} --on-limit wait --wait-timeout "
      "{}s{}",
      cap.name, service_word, cap.scope, site, cap.limit, cap.wait_timeout_s, Force(cap, demand));
}

// What a limit would not do. Ends what nobody misses, unless it has been used meanwhile.
std::string EndBackends(const std::vector<int32_t>& backends) {
  return fmt::format(
      "psql -c \"select pg_terminate_backend(pid) from pg_stat_activity where pid in ({}) and "
      "state "
      "like 'idle%' and state_change < now() - interval '{} s'\"",
      fmt::join(backends, ","), kIdleNs / kSecond);
}

void WriteAtOnce(const ServiceAdvice& service, std::ostream& out) {
  const char* first = "  at once: ";
  for (const std::string& sentence : service.at_once) {
    WriteWrapped(first, Escape(sentence), out);
    first = "           ";
  }
  if (service.idle_backends.empty()) return;
  const size_t count = service.idle_backends.size();
  const std::string which =
      service.situation.left_behind != 0
          ? fmt::format("{} that were left behind:", count)
          : fmt::format(
                "the {} that have been idle for longest; a pool that does not open others in "
                "their place fails at its next use of each:",
                count);
  WriteWrapped(first,
               "or end on the server, as a superuser (superuser_reserved_connections keeps slots "
               "for one), " +
                   which,
               out);
  out << "    " << EndBackends(service.idle_backends) << '\n';
}

void WriteCommands(const ServiceAdvice& service, bool shown, std::ostream& out) {
  const auto word = ShellWord(service.service);
  if (!word || service.caps.empty()) return;
  const bool live = std::any_of(service.caps.begin(), service.caps.end(),
                                [](const ProposedCap& cap) { return cap.live; });
  if (live) out << "  at once, while it runs (`pqleash caps reset` takes it back):\n";
  for (const ProposedCap& cap : service.caps) {
    // Not wrapped: to be pasted.
    if (cap.live) out << "    " << Command(cap, service.demand, *word) << '\n';
  }
  const std::string file = fmt::format("`pqleash advise --service {} --format toml`", *word);
  out << (shown ? fmt::format("  for good: {}, in the file of PQLEASH_CONFIG\n", file)
                : fmt::format("  for a file: {} has limit {}, which it has never reached\n", file,
                              service.caps.front().limit));
}

// Whether the limits are worth a line where no file is asked for.
bool ShowsCaps(const ServiceAdvice& service, const AdviceOptions& options) {
  return service.needed || service.situation.it == Case::kTooSmall || options.max;
}

void WriteService(const ServiceAdvice& service, const AdviceOptions& options, const Style& style,
                  std::ostream& out) {
  const Demand& demand = service.demand;
  out << style.Bold(Escape(service.service))
      << fmt::format(": {} {}, measured for {}\n", demand.processes,
                     demand.processes == 1 ? "process" : "processes",
                     HumanDuration(demand.observed_ns));
  // First what it comes to.
  if (!service.summary.empty()) WriteWrapped("  ", Escape(service.summary), out);
  WriteMeasured(demand, out);
  WriteCallSites(service, out);
  if (!service.little_data.empty()) {
    out << style.Warning(fmt::format("  little data: {}\n", service.little_data));
  }
  const bool shown = ShowsCaps(service, options);
  if (shown) {
    for (const ProposedCap& cap : service.caps) WriteCap(cap, style, out);
  }
  for (const std::string& note : service.notes) WriteWrapped("  note: ", Escape(note), out);
  WriteAtOnce(service, out);
  WriteCommands(service, shown, out);
}

}  // namespace

void RenderAdviceText(const Advice& advice, bool colour, std::ostream& out) {
  const Style style(colour);
  if (advice.services.empty())
    out << "No process has a ledger here: there is nothing to measure.\n";
  for (size_t i = 0; i < advice.services.size(); ++i) {
    if (i != 0) out << '\n';
    WriteService(advice.services[i], advice.options, style, out);
  }
  if (!advice.options.max && !advice.services.empty()) {
    out << "\n--max N shares the N slots of a server out among these services: then each has a "
           "limit.\n";
  }
  if (!advice.shares.empty()) out << '\n';
  for (const std::string& sentence : advice.shares) WriteWrapped("slots: ", sentence, out);
  WriteIncomplete(advice.incomplete, style, out);
}

}  // namespace pqleash::reporter
