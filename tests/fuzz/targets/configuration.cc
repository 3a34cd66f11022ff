// SPDX-License-Identifier: Apache-2.0
//
// The library's configuration: a TOML file and, behind the first NUL, variables, a line each; and
// the same file as the options of `pqleash serve`.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "reporter/serve/config_arguments.h"
#include "shim/config/config.h"
#include "shim/config/policies.h"
#include "tests/fuzz/check.h"

namespace pqleash::fuzz {
namespace {

std::map<std::string, std::string> Variables(std::string_view text) {
  std::map<std::string, std::string> variables;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t sign = line.find('=');
    // What a process's environment holds has no NUL in it.
    if (sign == std::string::npos || line.find('\0') != std::string::npos) continue;
    variables["PQLEASH_" + line.substr(0, sign)] = line.substr(sign + 1);
  }
  return variables;
}

void CheckLoaded(const config::Loaded& loaded) {
  Check(loaded.problems.empty() || loaded.config.policies.empty(),
        "a bad configuration only observes");
  Check(!loaded.config.dir.empty() && loaded.config.dir[0] == '/', "the directory is absolute");
  Check(!loaded.config.service.empty() && loaded.config.service.size() <= 63,
        "the service has a name that fits");
  Check(loaded.config.stack_depth >= 1 && loaded.config.stack_depth <= 256, "stack_depth");
  Check(loaded.config.connections >= 16 && loaded.config.connections <= 1'048'576, "connections");
  Check(loaded.config.call_sites >= 16 && loaded.config.call_sites <= 65'536, "call_sites");
  Check(loaded.config.keep_dead <= 100'000, "keep_dead");
  Check(loaded.config.hold_at_exit_ms <= config::kMaxHoldAtExitMs, "hold_at_exit");
  for (const caps::Policy& policy : loaded.config.policies) {
    Check(!config::Describe(policy).empty(), "a policy can be described");
    (void)config::Matchers(policy);
  }
}

}  // namespace
}  // namespace pqleash::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pqleash;
  using namespace pqleash::fuzz;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string file(input.substr(0, input.find('\0')));
  std::map<std::string, std::string> variables =
      Variables(file.size() < size ? input.substr(file.size() + 1) : std::string_view());
  variables["PQLEASH_CONFIG"] = "/etc/pqleash.toml";
  config::Surroundings surroundings;
  surroundings.environment = [&](const char* name) -> const char* {
    const auto at = variables.find(name);
    return at == variables.end() ? nullptr : at->second.c_str();
  };
  surroundings.read_file = [&](const std::string&, std::string*) { return file; };
  surroundings.uid = 1'000;
  surroundings.executable = "orders";
  CheckLoaded(config::Load(surroundings));

  constexpr std::array<std::string_view, 4> kKeys = {"listen", "interval", "on_finding", "top"};
  const auto arguments = reporter::ConfigArguments(file, kKeys);
  if (const auto* words = std::get_if<0>(&arguments)) {
    for (const std::string& word : *words) Check(word.starts_with("--"), "options alone", word);
  }
  return 0;
}
