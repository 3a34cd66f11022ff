// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/whois.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reporter/findings/detector.h"
#include "reporter/render/json_parts.h"
#include "reporter/render/layout.h"
#include "reporter/render/server_json.h"
#include "reporter/render/server_text.h"
#include "reporter/render/text_call_site.h"
#include "reporter/render/text_stack.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

std::string_view FitText(Fit fit) {
  switch (fit) {
    case Fit::kYes:
      return "this is the server's backend";
    case Fit::kMaybe:
      return "may be the server's backend: when that began is hidden, and the port is another";
    case Fit::kNo:
      break;
  }
  return "not the server's backend: another server's, or an earlier one with the same pid";
}

std::string_view FitName(Fit fit) {
  return fit == Fit::kYes ? "yes" : fit == Fit::kMaybe ? "maybe" : "no";
}

void WriteMatch(const WhoisMatch& match, const TextOptions& options, const Style& style,
                std::ostream& out) {
  const ReportProcess& process = match.process;
  const ReportConnection& connection = match.connection;
  out << "  process:     "
      << fmt::format("{} ({}), {}, {}\n", process.pid, NameOf(process.life),
                     Escape(process.service), Escape(process.exe));
  if (connection.tid != 0) {
    out << fmt::format("  thread:      {}{}\n", connection.tid,
                       connection.thread_name.empty() ? "" : " " + Escape(connection.thread_name));
  }
  out << fmt::format("  connection:  {} to {}\n", HandleName(connection.handle),
                     TargetText(connection.target));
  std::vector<std::string> items = {ActivityText(connection), "age " + AgeText(connection)};
  if (connection.in_call.empty())
    items.push_back("unused for " + HumanDuration(connection.idle_ns));
  items.push_back(Count(connection.commands, "command"));
  WriteItems("  state:       ", items, out);
  if (match.fit) WriteWrapped("  server:      ", FitText(*match.fit), out);
  if (connection.last_taken && !connection.last_taken->line.empty())
    WriteWrapped("  last taken:  ", Escape(connection.last_taken->line), out);
  const ReportCallSite& site = match.call_site;
  if (site.frames.empty()) {
    out << "  opened at:   not recorded\n";
    return;
  }
  out << fmt::format("  opened at (call site {}), innermost first\n", CallSiteName(site.id));
  WriteStackText(site.frames, options.native_frames, 4, style, out);
  if (site.stack_truncated) out << style.Dim("    (deeper than was recorded)") << '\n';
  if (site.stack_incomplete) out << style.Dim("    (could not be followed further)") << '\n';
}

void AddDuration(std::string_view what, const std::optional<uint64_t>& ns,
                 std::vector<std::string>* items) {
  if (ns) items->push_back(fmt::format("{} {}", what, HumanDuration(*ns)));
}

void WriteServerSide(const ServerBackend& backend, std::ostream& out) {
  const Backend& row = backend.backend;
  const std::string type = row.type.empty() ? "" : fmt::format(" ({})", Escape(row.type));
  std::string client = row.client_addr.empty() ? (row.hidden ? "hidden" : "unix socket")
                       : row.client_port > 0
                           ? fmt::format("{} port {}", row.client_addr, row.client_port)
                           : row.client_addr;
  if (row.client_addr.empty() && !row.hidden && row.client_port >= 0) client = "none";
  out << fmt::format("  backend:     {}@{}{}, application_name '{}', client {}\n", Escape(row.user),
                     Escape(row.dbname), type, Escape(row.application_name), Escape(client));
  std::vector<std::string> items = {BackendState(row)};
  if (backend.state_age_ns) items.back() += " for " + HumanDuration(*backend.state_age_ns);
  AddDuration("started", backend.age_ns, &items);
  if (backend.age_ns) items.back() += " ago";
  AddDuration("in its transaction for", backend.transaction_age_ns, &items);
  AddDuration("last query began", backend.query_age_ns, &items);
  if (backend.query_age_ns) items.back() += " ago";
  WriteItems("  state:       ", items, out);
  out << "  waits for:   " << WaitText(row) << '\n';
  out << "  blocks:      " << PidList(backend.blocks) << '\n';
}

void WriteServer(int32_t pid, const WhoisServer& server, const Style& style, std::ostream& out) {
  out << style.Bold("Server") << '\n';
  out << "  " << ServerLine(server.address, server.settings.version) << '\n';
  if (server.backend) {
    WriteServerSide(*server.backend, out);
  } else if (server.backends_known) {
    out << fmt::format("  no backend {} there\n", pid);
  }
  for (const std::string& note : server.notes) WriteWrapped("  note: ", Escape(note) + ".", out);
}

Json MatchJson(const WhoisMatch& match) {
  Json frames = Json::array();
  for (const SourceFrame& frame : match.call_site.frames) frames.push_back(FrameJson(frame));
  return {{"process", ProcessJson(match.process)},
          {"connection", ConnectionJson(match.connection)},
          {"call_site", CallSiteName(match.call_site.id)},
          {"headline", OrNull(match.call_site.headline)},
          {"frames", std::move(frames)},
          {"stack_truncated", match.call_site.stack_truncated},
          {"stack_incomplete", match.call_site.stack_incomplete},
          {"is_servers_backend", match.fit ? Json(FitName(*match.fit)) : Json(nullptr)}};
}

Json ServerSideJson(const std::optional<WhoisServer>& server) {
  if (!server) return nullptr;
  Json json = ServerSettingsJson(server->address, server->settings);
  json["backend"] = nullptr;
  if (server->backend) {
    json["backend"] = ServerBackendJson(*server->backend);
    // Whose it is, the matches say.
    for (const char* key : {"whose", "process_pid", "service", "call_site", "opened_by"})
      json["backend"].erase(key);
  }
  json["notes"] = server->notes;
  return json;
}

}  // namespace

void RenderWhoisText(const Whois& whois, const TextOptions& options, std::ostream& out) {
  const Style style(options.colour);
  size_t number = 0;
  for (const WhoisMatch& match : whois.matches) {
    if (number++ != 0) out << '\n';
    const std::string of =
        whois.matches.size() == 1 ? "" : fmt::format(" ({} of {})", number, whois.matches.size());
    out << style.Bold(fmt::format("Backend {}{}", whois.backend_pid, of)) << '\n';
    WriteMatch(match, options, style, out);
  }
  if (whois.server && !whois.matches.empty()) out << '\n';
  if (whois.server) WriteServer(whois.backend_pid, *whois.server, style, out);
}

void RenderWhoisJson(const Whois& whois, std::ostream& out) {
  Json matches = Json::array();
  for (const WhoisMatch& match : whois.matches) matches.push_back(MatchJson(match));
  WriteJson({{"schema", "pqleash.whois/1"},
             {"generated_at", Timestamp(whois.generated_realtime_ns)},
             {"host", whois.host},
             {"backend_pid", whois.backend_pid},
             {"ledgers", whois.ledgers},
             {"connections", whois.connections},
             {"matches", std::move(matches)},
             {"server", ServerSideJson(whois.server)},
             {"incomplete", whois.incomplete}},
            out);
}

}  // namespace pqleash::reporter
