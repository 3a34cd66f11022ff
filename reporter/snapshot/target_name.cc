// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/target_name.h"

#include <fmt/format.h>

namespace pqleash::reporter {

std::string TargetName(const Target& target) {
  if (target.host.empty() && target.dbname.empty() && target.user.empty()) return {};
  const std::string port = target.port == 0 ? "" : fmt::format(":{}", target.port);
  const bool ipv6 = target.host.find(':') != std::string::npos;
  const std::string host = ipv6 ? fmt::format("[{}]", target.host) : target.host;
  std::string name = fmt::format("{}@{}{}/{}", target.user, host, port, target.dbname);
  if (!target.application_name.empty())
    name += fmt::format(" (application_name {})", target.application_name);
  return name;
}

}  // namespace pqleash::reporter
