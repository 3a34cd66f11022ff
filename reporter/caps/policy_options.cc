// SPDX-License-Identifier: Apache-2.0

#include "reporter/caps/policy_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "shim/config/policies.h"
#include "shim/config/values.h"

namespace pqleash::reporter {
namespace {

using caps::Policy;
using caps::Rule;

constexpr uint32_t kOfCap = 1u << caps::kCap;
constexpr uint32_t kOfPace = 1u << caps::kPace;
constexpr uint32_t kOfBoth = kOfCap | kOfPace;

template <size_t size>
bool FillText(char (&field)[size], std::string_view text) {
  const bool control = std::any_of(text.begin(), text.end(), [](char each) {
    const auto byte = static_cast<unsigned char>(each);
    return byte < 0x20 || byte == 0x7f;
  });
  if (text.empty() || text.size() >= size || control) return false;
  std::memset(field, 0, size);
  std::memcpy(field, text.data(), text.size());
  return true;
}

bool SetName(Policy& policy, const std::string& text) {
  return text.find_first_of(":\"") == std::string::npos && FillText(policy.name, text);
}

template <auto member>
bool SetPattern(Policy& policy, const std::string& text) {
  return FillText(policy.*member, text);
}

bool SetPort(Policy& policy, const std::string& text) {
  const bool number = text.find_first_not_of("+-0123456789") == std::string::npos;
  if (number && !config::ParseCount(text, 1, 65'535)) return false;
  return FillText(policy.port, text);
}

bool SetCallSite(Policy& policy, const std::string& text) {
  const auto id = config::ParseCallSite(text);
  if (id) policy.call_site = *id;
  return id.has_value();
}

template <auto member, uint32_t low>
bool SetCount(Policy& policy, const std::string& text) {
  const auto value = config::ParseCount(text, low, 1'000'000);
  if (value) policy.rule.*member = *value;
  return value.has_value();
}

bool SetWaitTimeout(Policy& policy, const std::string& text) {
  const auto value = config::ParseDuration(text);
  if (!value || *value == 0) return false;
  policy.rule.wait_timeout_ms = *value;
  return true;
}

bool SetRate(Policy& policy, const std::string& text) {
  const auto interval = config::ParseRate(text);
  if (interval) policy.rule.interval_ns = *interval;
  return interval.has_value();
}

// One of the words of the file.
template <size_t size>
bool SetWord(uint32_t& value, const char* const (&names)[size], const std::string& text) {
  const auto index = config::IndexOfName(names, text);
  if (index) value = *index;
  return index.has_value();
}

bool SetScope(Policy& policy, const std::string& text) {
  return text != "none" && SetWord(policy.scope, caps::kScopeNames, text);
}

bool SetOnLimit(Policy& policy, const std::string& text) {
  return SetWord(policy.rule.on_limit, caps::kOnLimitNames, text);
}

bool SetOnServerFull(Policy& policy, const std::string& text) {
  return SetWord(policy.rule.on_server_full, caps::kOnServerFullNames, text);
}

bool SetAsyncFallback(Policy& policy, const std::string& text) {
  return SetWord(policy.async_fallback, caps::kAsyncFallbackNames, text);
}

using Of = PolicyOption::Of;

struct Option {
  PolicyOption shown;
  uint32_t kinds;
  const char* expected;
  bool (*set)(Policy&, const std::string&);
};

constexpr const char* kGlob = "a glob of 1 to 63 bytes without control characters";

const Option kOptions[] = {
    {{"limit", Of::kRule, "N", "Connections at a time (cap)"},
     kOfCap,
     "a whole number of connections from 1 to 1000000",
     SetCount<&Rule::limit, 1>},
    {{"rate", Of::kRule, "RATE", "Connects by the second, minute or hour, as 50/s (pace)"},
     kOfPace,
     "connects by the second, minute or hour, such as 50/s, 0.5/s or 90/m, from 0.001/s to "
     "1000000/s",
     SetRate},
    {{"burst", Of::kRule, "N", "Connects that may come at once (pace)"},
     kOfPace,
     "a whole number of connects from 1 to 1000000",
     SetCount<&Rule::burst, 1>},
    {{"on-server-full", Of::kRule, "WHAT",
      "While the server refuses connects because it is full: backoff or ignore (pace)"},
     kOfPace,
     "backoff or ignore",
     SetOnServerFull},
    {{"on-limit", Of::kRule, "WHAT",
      "What happens to a connect that there is no room for: warn, wait or reject"},
     kOfBoth,
     "warn, wait or reject",
     SetOnLimit},
    {{"wait-timeout", Of::kRule, "DURATION", "How long a connect waits before it is refused"},
     kOfBoth,
     "a time with its unit, such as 5s or 250ms, from 1ms to 24h",
     SetWaitTimeout},
    {{"max-waiting", Of::kRule, "N",
      "Connects that may wait at a time; beyond it they are refused; 0: any number"},
     kOfBoth,
     "a whole number of connects from 0 (no bound) to 1000000",
     SetCount<&Rule::max_waiting, 0>},
    {{"scope", Of::kScope, "SCOPE",
      "Over which processes connections are counted together: process, service or user"},
     kOfBoth,
     "process, service or user",
     SetScope},
    {{"host", Of::kScope, "GLOB", "Only connections to such a host, address or socket"},
     kOfBoth,
     kGlob,
     SetPattern<&Policy::host>},
    {{"port", Of::kScope, "PORT", "Only connections to this port"},
     kOfBoth,
     "a number from 1 to 65535 or a glob of 1 to 15 bytes",
     SetPort},
    {{"dbname", Of::kScope, "GLOB", "Only connections to such a database"},
     kOfBoth,
     kGlob,
     SetPattern<&Policy::dbname>},
    {{"user", Of::kScope, "GLOB", "Only connections of such a database user"},
     kOfBoth,
     kGlob,
     SetPattern<&Policy::user>},
    {{"application-name", Of::kScope, "GLOB", "Only connections with such an application name"},
     kOfBoth,
     kGlob,
     SetPattern<&Policy::application_name>},
    {{"call-site", Of::kScope, "ID", "Only connects of this call site, as reports name it"},
     kOfBoth,
     "the id of a call site as `pqleash report` prints it: 1 to 16 hexadecimal digits, not 0",
     SetCallSite},
    {{"async-fallback", Of::kScope, "WHAT",
      "Where an asynchronous connect cannot be made to wait: reject or admit"},
     kOfBoth,
     "reject or admit",
     SetAsyncFallback},
};

}  // namespace

std::vector<PolicyOption> OptionsOf(PolicyOption::Of of) {
  std::vector<PolicyOption> options;
  for (const Option& option : kOptions) {
    if (option.shown.of == of) options.push_back(option.shown);
  }
  return options;
}

std::optional<std::string> ApplyOptions(const PolicyOptions& given, Policy* policy) {
  for (const Option& option : kOptions) {
    const auto found = given.find(option.shown.name);
    if (found == given.end()) continue;
    if ((option.kinds >> policy->kind & 1) == 0) {
      const bool pace = policy->kind == caps::kPace;
      return fmt::format("--{} is an option of a {}, and '{}' is a {}", option.shown.name,
                         pace ? "cap" : "pace", policy->name, pace ? "pace" : "cap");
    }
    if (!option.set(*policy, found->second)) {
      return fmt::format("--{}: '{}' is no value, expected {}", option.shown.name, found->second,
                         option.expected);
    }
  }
  for (const char* name : {"wait-timeout", "max-waiting", "async-fallback"}) {
    if (policy->rule.on_limit != caps::kWait && given.count(name) != 0) {
      return fmt::format("--{} means something with on-limit wait alone: add --on-limit wait",
                         name);
    }
  }
  if (policy->kind == caps::kPace && policy->rule.interval_ns == 0 && given.count("burst") != 0) {
    return std::string("--burst means something with a rate alone: add --rate");
  }
  return std::nullopt;
}

std::optional<std::string> MakePolicy(const std::string& name, const PolicyOptions& given,
                                      Policy* policy) {
  const bool pace =
      given.count("rate") != 0 || given.count("burst") != 0 || given.count("on-server-full") != 0;
  *policy = {};
  policy->kind = pace ? caps::kPace : caps::kCap;
  policy->scope = pace ? caps::kScopeService : caps::kScopeProcess;
  policy->rule.on_limit = pace ? caps::kWait : caps::kWarn;
  policy->rule.wait_timeout_ms = 5'000;
  policy->rule.burst = pace ? 1 : 0;
  if (!SetName(*policy, name)) {
    return fmt::format(
        "'{}' is no name, expected 1 to {} bytes without control characters, ':' or '\"'", name,
        caps::kMaxPolicyName);
  }
  if (auto problem = ApplyOptions(given, policy)) return problem;
  if (!pace && given.count("limit") == 0) {
    return std::string("no limit given, expected --limit N, or --rate RATE for a pace");
  }
  if (pace && policy->rule.interval_ns == 0 && policy->rule.on_server_full == caps::kFullIgnored) {
    return std::string("a pace does nothing without --rate RATE or --on-server-full backoff");
  }
  return std::nullopt;
}

}  // namespace pqleash::reporter
