// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/server_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "reporter/render/text_call_site.h"
#include "reporter/server/server_sql.h"
#include "reporter/snapshot/names.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

std::string Duration(const std::optional<uint64_t>& ns) { return ns ? HumanDuration(*ns) : "-"; }

// 'orders 1234' for ours, 'app@10.0.0.7 (psql)' for others'.
std::string Whose(const ServerBackend& backend) {
  constexpr size_t kColumns = 28;
  if (backend.ownership == Ownership::kOurs) {
    const std::string gone =
        backend.life == Life::kLive ? "" : fmt::format(" ({})", NameOf(backend.life));
    return CutEnd(Escape(backend.service), 20) + fmt::format(" {}{}", backend.process_pid, gone);
  }
  const Backend& row = backend.backend;
  if (backend.ownership == Ownership::kServer)
    return CutEnd(Escape(row.type.empty() ? "the server's own" : row.type), kColumns);
  std::string text = backend.ownership == Ownership::kUnknown ? "unknown: " : "";
  text += row.user;
  if (!row.client_addr.empty()) text += "@" + row.client_addr;
  if (!row.application_name.empty()) text += fmt::format(" ({})", row.application_name);
  return CutEnd(Escape(text), kColumns);
}

// Of a place in the code what fits into a table: 'Function (file:line)' without the directories.
std::string ShortPlace(const std::string& opened_by) {
  constexpr size_t kColumns = 70;
  std::string text = opened_by;
  const size_t file = text.rfind(" (");
  const size_t slash = text.rfind('/');
  if (file != std::string::npos && slash != std::string::npos && slash > file) {
    text.erase(file + 2, slash + 1 - file - 2);
  }
  return CutFront(Escape(text), kColumns);
}

void WriteSlots(const ServerReport& server, std::ostream& out) {
  const ServerSlots& slots = server.slots;
  std::vector<std::string> items = {
      fmt::format("max_connections {}", slots.max),
      fmt::format("reserved for superusers {}", slots.superuser_reserved)};
  if (slots.reserved != 0) items.push_back(fmt::format("reserved_connections {}", slots.reserved));
  if (!server.backends_known) {
    items.emplace_back("in use: not known");
    WriteItems("  slots:   ", items, out);
    return;
  }
  items.push_back(fmt::format("in use {}", slots.used));
  items.push_back(fmt::format("free {}", slots.free));
  WriteItems("  slots:   ", items, out);
  items = {fmt::format("ours {}", slots.ours), fmt::format("others' {}", slots.others),
           fmt::format("unknown {}", slots.unknown),
           fmt::format("this report's own {}", slots.own)};
  WriteItems("  in use:  ", items, out);
}

void WriteBackends(const ServerReport& server, std::ostream& out) {
  const size_t all = server.backends.size() + server.backends_left_out;
  if (all == 0) return;
  // What was asked for with --top is shown as a whole.
  const size_t shown = server.backends_left_out != 0
                           ? server.backends.size()
                           : std::min(server.backends.size(), kBackendsShown);
  out << fmt::format("  backends ({}), who blocks others first\n", all);
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < shown; ++i) {
    const ServerBackend& backend = server.backends[i];
    const std::string opened_by = backend.ownership != Ownership::kOurs ? "-"
                                  : backend.opened_by.empty()
                                      ? "call site " + CallSiteName(backend.call_site)
                                      : ShortPlace(backend.opened_by);
    rows.push_back({std::to_string(backend.backend.pid), Whose(backend),
                    BackendState(backend.backend), Duration(backend.state_age_ns),
                    Duration(backend.transaction_age_ns), WaitText(backend.backend),
                    PidList(backend.blocks), opened_by});
  }
  WriteTable({{"backend", true},
              {"whose"},
              {"state"},
              {"for", true},
              {"transaction", true},
              {"waits for"},
              {"blocks"},
              {"opened by"}},
             rows, 4, out);
  if (all > shown) {
    out << fmt::format("    and {} more{}\n", all - shown,
                       server.backends_left_out != 0 ? ", left out as asked" : "; see --top");
  }
}

}  // namespace

std::string ServerLine(const ServerAddress& address, int version) {
  const bool ipv6 = address.host.find(':') != std::string::npos;
  const std::string host = ipv6 ? fmt::format("[{}]", address.host) : address.host;
  return fmt::format(
      "{}, PostgreSQL {}",
      CutEnd(Escape(fmt::format("{}@{}:{}/{}", address.user, host, address.port, address.dbname)),
             100),
      ServerVersion(version));
}

std::string BackendState(const Backend& backend) {
  if (backend.hidden) return "hidden";
  return backend.state.empty() ? "-" : Escape(backend.state);
}

std::string WaitText(const Backend& backend) {
  const bool for_client = backend.wait_event_type == "Client" && backend.wait_event == "ClientRead";
  std::string text;
  if (!backend.wait_event_type.empty() && !for_client) {
    text = Escape(backend.wait_event_type + "/" + backend.wait_event);
  }
  if (backend.blocked_by.empty()) return text.empty() ? "-" : text;
  return text + (text.empty() ? "" : ", ") + "blocked by " + PidList(backend.blocked_by);
}

std::string PidList(const std::vector<int32_t>& pids) {
  constexpr size_t kShown = 3;
  if (pids.empty()) return "-";
  std::string text;
  for (size_t i = 0; i < std::min(pids.size(), kShown); ++i) {
    if (i != 0) text += ", ";
    text += pids[i] == 0 ? "a prepared transaction" : std::to_string(pids[i]);
  }
  if (pids.size() > kShown) text += fmt::format(" and {} more", pids.size() - kShown);
  return text;
}

void WriteServerText(const ServerReport& server, const Style& style, std::ostream& out) {
  out << '\n' << style.Bold("Server") << '\n';
  out << "  " << ServerLine(server.address, server.settings.version) << '\n';
  WriteSlots(server, out);
  WriteBackends(server, out);
  for (const std::string& note : server.notes) {
    WriteWrapped("  note: ", Escape(note) + ".", out);
  }
}

}  // namespace pqleash::reporter
