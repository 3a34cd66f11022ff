// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/budget.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "reporter/render/server_json.h"
#include "reporter/render/server_text.h"
#include "reporter/words/escape.h"
#include "shim/config/policies.h"

namespace pqleash::reporter {
namespace {

std::string_view NameOf(Bound bound) {
  switch (bound) {
    case Bound::kRole:
      return "role";
    case Bound::kDatabase:
      return "database";
    case Bound::kServer:
      break;
  }
  return "server";
}

Json CapJson(const CapDemand& cap) {
  return {{"name", cap.name},
          {"scope", caps::kScopeNames[cap.scope]},
          {"limit", cap.limit},
          {"connections", cap.connections},
          {"partial", cap.partial},
          {"fits", cap.fits},
          {"largest_limit_that_fits", OrNull(cap.lower)}};
}

}  // namespace

void WriteBudgetText(const ServerView& view, const Budget& budget, const Style& style,
                     std::ostream& out) {
  out << style.Bold("Server") << '\n';
  out << "  " << ServerLine(view.address, view.settings.version) << '\n';
  WriteWrapped("  available: ", fmt::format("{} ({})", budget.available, Escape(budget.reason)),
               out);
  for (const CapDemand& cap : budget.caps) {
    const std::string_view part = cap.partial ? ", for some of the connections alone" : "";
    WriteWrapped("  cap:       ",
                 fmt::format("{}: {}{}", Escape(cap.name), DemandText(cap, budget.deploy), part),
                 out);
  }
  for (const MeasuredNeed& need : budget.needs) {
    std::string uses = fmt::format("{} (process {}) uses {} at this moment", Escape(need.service),
                                   need.pid, need.in_use);
    if (need.peak != 0) uses += fmt::format(", {} at its peak", need.peak);
    WriteWrapped("  measured:  ", uses, out);
  }
  for (const std::string& problem : budget.problems) {
    WriteWrapped("  does not fit: ", Escape(problem) + ".", out);
  }
  for (const std::string& note : budget.notes) WriteWrapped("  note: ", Escape(note) + ".", out);
}

Json BudgetJson(const ServerView& view, const Budget& budget) {
  const auto in_use = [&](uint64_t count) {
    return budget.others.known ? Json(count) : Json(nullptr);
  };
  Json caps = Json::array();
  for (const CapDemand& cap : budget.caps) caps.push_back(CapJson(cap));
  Json needs = Json::array();
  for (const MeasuredNeed& need : budget.needs) {
    needs.push_back({{"service", need.service},
                     {"pid", need.pid},
                     {"in_use", need.in_use},
                     {"in_use_peak", need.peak == 0 ? Json(nullptr) : Json(need.peak)}});
  }
  Json json = ServerSettingsJson(view.address, view.settings);
  json["max_connections"] = view.settings.max_connections;
  json["superuser_reserved_connections"] = view.settings.superuser_reserved;
  json["reserved_connections"] = view.settings.reserved;
  json["in_use_by_other_roles"] = in_use(budget.others.on_server);
  json["in_use_by_other_roles_in_database"] = in_use(budget.others.in_database);
  json["available"] = budget.available;
  json["bound_by"] = NameOf(budget.bound);
  json["instances"] = budget.deploy.instances;
  json["workers"] = budget.deploy.workers;
  json["caps"] = std::move(caps);
  json["measured"] = std::move(needs);
  json["problems"] = budget.problems;
  json["notes"] = budget.notes;
  return json;
}

}  // namespace pqleash::reporter
