// SPDX-License-Identifier: Apache-2.0

#include "shim/config/policies.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "shim/config/values.h"

namespace pqleash::config {

namespace {

using caps::Policy;
using caps::Rule;

constexpr uint32_t kOfCap = 1u << caps::kCap;
constexpr uint32_t kOfPace = 1u << caps::kPace;
constexpr uint32_t kOfBoth = kOfCap | kOfPace;

// Looks for bytes below 0x20, DEL, and the control characters U+0080 to U+009F in UTF-8.
bool HasControlCharacter(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    if (byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      return true;
    }
  }
  return false;
}

// Copies `text` into the field, padded with NULs. Returns false if the text is not acceptable.
template <size_t size>
bool FillText(char (&field)[size], const std::string& text) {
  if (text.empty() || text.size() >= size || HasControlCharacter(text)) return false;
  memset(field, 0, size);
  memcpy(field, text.data(), text.size());
  return true;
}

template <auto member>
bool SetPattern(Policy& policy, const std::string& text) {
  return FillText(policy.*member, text);
}

bool SetPort(Policy& policy, const std::string& text) {
  const bool number = text.find_first_not_of("+-0123456789") == std::string::npos;
  if (number && !ParseCount(text, 1, 65'535)) return false;
  return FillText(policy.port, text);
}

bool SetPolicyName(Policy& policy, const std::string& text) {
  return text.find_first_of(":\"") == std::string::npos && FillText(policy.name, text);
}

bool SetCallSite(Policy& policy, const std::string& text) {
  const auto value = ParseCallSite(text);
  if (value) policy.call_site = *value;
  return value.has_value();
}

bool SetScope(Policy& policy, const std::string& text) {
  const auto value = IndexOfName(caps::kScopeNames, text);
  if (!value || *value == 0) return false;
  policy.scope = *value;
  return true;
}

bool SetAsyncFallback(Policy& policy, const std::string& text) {
  const auto value = IndexOfName(caps::kAsyncFallbackNames, text);
  if (value) policy.async_fallback = *value;
  return value.has_value();
}

template <auto member, uint32_t low>
bool SetRuleCount(Policy& policy, const std::string& text) {
  const auto value = ParseCount(text, low, 1'000'000);
  if (value) policy.rule.*member = *value;
  return value.has_value();
}

template <auto member, auto& names>
bool SetRuleName(Policy& policy, const std::string& text) {
  const auto value = IndexOfName(names, text);
  if (value) policy.rule.*member = *value;
  return value.has_value();
}

bool SetWaitTimeout(Policy& policy, const std::string& text) {
  const auto value = ParseDuration(text);
  if (!value || *value == 0) return false;
  policy.rule.wait_timeout_ms = *value;
  return true;
}

bool SetRate(Policy& policy, const std::string& text) {
  const auto value = ParseRate(text);
  if (value) policy.rule.interval_ns = *value;
  return value.has_value();
}

// One row per key of [[cap]] and [[pace]].
struct Key {
  const char* name;
  uint32_t kinds;
  const char* expected;
  bool (*set)(Policy&, const std::string&);
  bool of_wait = false;  // has a meaning only with on_limit = "wait"
  // A TOML number is refused: its decimal digits are not those that were written.
  bool text_only = false;
};

constexpr const char* kGlob = "a glob of 1 to 63 bytes without control characters, or no such key";

const Key kKeys[] = {
    {"name", kOfBoth, "a name of 1 to 47 bytes without control characters, ':' or '\"'",
     SetPolicyName},
    {"limit", kOfCap, "a whole number of connections from 1 to 1000000",
     SetRuleCount<&Rule::limit, 1>},
    {"rate", kOfPace,
     "connects by the second, minute or hour, such as 50/s, 0.5/s or 90/m, from 0.001/s to "
     "1000000/s",
     SetRate},
    {"burst", kOfPace, "a whole number of connects from 1 to 1000000",
     SetRuleCount<&Rule::burst, 1>},
    {"on_server_full", kOfPace, "backoff or ignore",
     SetRuleName<&Rule::on_server_full, caps::kOnServerFullNames>},
    {"host", kOfBoth, kGlob, SetPattern<&Policy::host>},
    {"port", kOfBoth, "a number from 1 to 65535 or a glob of 1 to 15 bytes, or no such key",
     SetPort},
    {"dbname", kOfBoth, kGlob, SetPattern<&Policy::dbname>},
    {"user", kOfBoth, kGlob, SetPattern<&Policy::user>},
    {"application_name", kOfBoth, kGlob, SetPattern<&Policy::application_name>},
    {"call_site", kOfBoth,
     "the id of a call site as `pqleash report` prints it, in quotes: 1 to 16 hexadecimal digits, "
     "not 0",
     SetCallSite, false, true},
    {"scope", kOfBoth, "process, service or user", SetScope},
    {"on_limit", kOfBoth, "warn, wait or reject",
     SetRuleName<&Rule::on_limit, caps::kOnLimitNames>},
    {"wait_timeout", kOfBoth, "a time with its unit, such as 5s or 250ms, from 1ms to 24h",
     SetWaitTimeout, true},
    {"max_waiting", kOfBoth, "a whole number of connects from 0 (no bound) to 1000000",
     SetRuleCount<&Rule::max_waiting, 0>, true},
    {"async_fallback", kOfBoth, "reject or admit", SetAsyncFallback, true},
};

Policy DefaultPolicy(caps::Kind kind) {
  Policy policy = {};
  const bool pace = kind == caps::kPace;
  policy.kind = kind;
  policy.scope = pace ? caps::kScopeService : caps::kScopeProcess;
  policy.async_fallback = caps::kFallbackReject;
  policy.rule.on_limit = pace ? caps::kWait : caps::kWarn;
  policy.rule.wait_timeout_ms = 5'000;
  policy.rule.burst = pace ? 1 : 0;
  policy.rule.on_server_full = caps::kFullIgnored;
  return policy;
}

// Reads one table [[cap]] or [[pace]].
class PolicyReader {
 public:
  PolicyReader(const std::string& file, const WrittenPolicy& written,
               const std::vector<std::string>& settings, std::vector<std::string>* problems)
      : file_(file),
        written_(written),
        settings_(settings),
        problems_(problems),
        problems_before_(problems->size()),
        policy_(DefaultPolicy(written.kind)) {
    const WrittenValue* name = Find("name");
    subject_ = name != nullptr && SetPolicyName(policy_, name->text)
                   ? fmt::format("{} '{}'", KindName(), policy_.name)
                   : fmt::format("the {} in line {}", KindName(), written.line);
  }

  SourcedPolicy Read() {
    for (const WrittenValue& value : written_.values) ReadValue(value);
    RequireName();
    if (policy_.kind == caps::kCap) RequireLimit();
    if (policy_.kind == caps::kPace) RequireRate();
    RefuseWithoutWait();
    return {policy_, At(written_.line), problems_->size() == problems_before_};
  }

 private:
  const char* KindName() const { return caps::kKindNames[written_.kind]; }
  std::string At(uint32_t line) const { return fmt::format("{}:{}", file_, line); }

  const WrittenValue* Find(std::string_view key) const {
    const auto value = std::find_if(written_.values.begin(), written_.values.end(),
                                    [&](const WrittenValue& each) { return each.key == key; });
    return value != written_.values.end() ? &*value : nullptr;
  }

  void Problem(uint32_t line, const std::string& sentence) {
    problems_->push_back(fmt::format("{}: {}", At(line), sentence));
  }

  void ReadValue(const WrittenValue& value) {
    const auto* key = std::find_if(std::begin(kKeys), std::end(kKeys),
                                   [&](const Key& each) { return each.name == value.key; });
    if (key == std::end(kKeys) || (key->kinds & (1u << written_.kind)) == 0) {
      Problem(value.line, UnknownKey(value.key, key != std::end(kKeys)));
      return;
    }
    if (value.type == WrittenValue::Type::kOther) {
      Problem(value.line, fmt::format("{} of {} is neither a text nor a whole number: expected {}",
                                      key->name, subject_, key->expected));
      return;
    }
    const bool refused = key->text_only && value.type != WrittenValue::Type::kText;
    if (refused || !key->set(policy_, value.text)) {
      Problem(value.line, fmt::format("'{}' is no value for {} of {}: expected {}", value.text,
                                      key->name, subject_, key->expected));
    }
  }

  std::string UnknownKey(const std::string& key, bool of_other_kind) const {
    if (of_other_kind) {
      const char* other = caps::kKindNames[written_.kind == caps::kCap ? caps::kPace : caps::kCap];
      return fmt::format("'{}' of {} is a key of a {}: take it out, or write it in a [[{}]]", key,
                         subject_, other, other);
    }
    if (std::find(settings_.begin(), settings_.end(), key) != settings_.end()) {
      return fmt::format(
          "'{}' of {} is a setting of the whole file: write it above the first [[cap]] or [[pace]]",
          key, subject_);
    }
    std::vector<std::string> keys;
    for (const Key& each : kKeys) {
      if ((each.kinds & (1u << written_.kind)) != 0) keys.emplace_back(each.name);
    }
    const std::string nearest = NearestName(key, keys);
    return fmt::format("unknown key '{}' of {}: {}", key, subject_,
                       nearest.empty() ? fmt::format("expected one of {}", fmt::join(keys, ", "))
                                       : fmt::format("did you mean '{}'?", nearest));
  }

  void RequireName() {
    if (Find("name") != nullptr) return;
    Problem(written_.line,
            fmt::format("{} has no name: add one, such as name = \"billing\"", subject_));
  }

  void RequireLimit() {
    if (Find("limit") != nullptr) return;
    Problem(written_.line, fmt::format("{} has no limit: add one, such as limit = 20", subject_));
  }

  void RequireRate() {
    if (Find("rate") != nullptr) return;
    const WrittenValue* full = Find("on_server_full");
    if (full == nullptr || full->text == caps::kOnServerFullNames[caps::kFullIgnored]) {
      Problem(written_.line, fmt::format("{} has no rate: add one, such as rate = \"50/s\", or "
                                         "on_server_full = \"backoff\"",
                                         subject_));
    } else if (const WrittenValue* burst = Find("burst")) {
      Problem(burst->line,
              fmt::format("burst of {} has no effect without a rate: add one, such as rate = "
                          "\"50/s\", or take burst out",
                          subject_));
    }
  }

  // Refuses keys that contradict on_limit. Says nothing if on_limit itself is invalid.
  void RefuseWithoutWait() {
    const WrittenValue* on_limit = Find("on_limit");
    if (on_limit != nullptr && !IndexOfName(caps::kOnLimitNames, on_limit->text)) return;
    if (policy_.rule.on_limit == caps::kWait) return;
    for (const Key& key : kKeys) {
      const WrittenValue* value = key.of_wait ? Find(key.name) : nullptr;
      if (value == nullptr) continue;
      Problem(value->line,
              fmt::format("{} of {} contradicts on_limit = \"{}\" ({}): set on_limit = \"wait\", "
                          "or take {} out",
                          key.name, subject_, caps::kOnLimitNames[policy_.rule.on_limit],
                          on_limit == nullptr ? std::string("the default")
                                              : fmt::format("line {}", on_limit->line),
                          key.name));
    }
  }

  const std::string& file_;
  const WrittenPolicy& written_;
  const std::vector<std::string>& settings_;
  std::vector<std::string>* problems_;
  const size_t problems_before_;
  Policy policy_;
  std::string subject_;  // how the sentences name this table
};

bool SameMatchers(const Policy& a, const Policy& b) { return Matchers(a) == Matchers(b); }

void CompareNames(const SourcedPolicy& earlier, const SourcedPolicy& later,
                  std::vector<std::string>* problems) {
  const char* name = later.policy.name;
  if (name[0] == '\0' || strcmp(name, earlier.policy.name) != 0) return;
  problems->push_back(fmt::format(
      "{}: {} '{}' has the name of the {} at {}: give each a name of its own{}", later.source,
      caps::kKindNames[later.policy.kind], name, caps::kKindNames[earlier.policy.kind],
      earlier.source,
      strcmp(name, "limit") == 0 ? " ('limit' is the cap that the setting limit makes)" : ""));
}

void CompareLimits(const SourcedPolicy& earlier, const SourcedPolicy& later,
                   std::vector<std::string>* problems) {
  const Policy& a = earlier.policy;
  const Policy& b = later.policy;
  if (!earlier.complete || !later.complete || strcmp(a.name, b.name) == 0) return;
  if (a.kind != caps::kCap || b.kind != caps::kCap || a.scope != b.scope) return;
  if (a.rule.limit == b.rule.limit || !SameMatchers(a, b)) return;
  // A lower cap that only warns before a higher one holds connects back is no contradiction.
  const Policy& lower = a.rule.limit < b.rule.limit ? a : b;
  const Policy& higher = a.rule.limit < b.rule.limit ? b : a;
  if (lower.rule.on_limit == caps::kWarn && higher.rule.on_limit != caps::kWarn) return;
  problems->push_back(
      fmt::format("{}: cap '{}' with limit {} contradicts cap '{}' at {} with limit {}: they speak "
                  "of the same connections; keep one of them",
                  later.source, b.name, b.rule.limit, a.name, earlier.source, a.rule.limit));
}

std::string DescribeRule(const Policy& policy) {
  const Rule& rule = policy.rule;
  std::string text;
  if (policy.kind == caps::kCap) {
    text = fmt::format("{}", rule.limit);
  } else if (rule.interval_ns != 0) {
    text = fmt::format("{} burst {}", ShowRate(rule.interval_ns), rule.burst);
  }
  if (rule.on_server_full == caps::kFullBackoff) text += text.empty() ? "backoff" : " backoff";
  text += fmt::format(" {}", caps::kOnLimitNames[rule.on_limit]);
  if (rule.on_limit != caps::kWait) return text;
  text += " " + ShowDuration(rule.wait_timeout_ms);
  if (rule.max_waiting != 0) text += fmt::format(" max_waiting {}", rule.max_waiting);
  if (policy.async_fallback == caps::kFallbackAdmit) text += " async_fallback admit";
  return text;
}

}  // namespace

std::vector<SourcedPolicy> ReadPolicies(const std::string& file,
                                        const std::vector<WrittenPolicy>& written,
                                        const std::vector<std::string>& settings,
                                        std::vector<std::string>* problems) {
  std::vector<SourcedPolicy> policies;
  for (const WrittenPolicy& each : written) {
    policies.push_back(PolicyReader(file, each, settings, problems).Read());
    if (policies.size() > caps::kMaxPolicies) break;
  }
  return policies;
}

Policy LimitPolicy(uint32_t limit, caps::OnLimit on_limit, uint32_t wait_timeout_ms) {
  Policy policy = DefaultPolicy(caps::kCap);
  SetPolicyName(policy, "limit");
  policy.rule.limit = limit;
  policy.rule.on_limit = on_limit;
  policy.rule.wait_timeout_ms = wait_timeout_ms;
  return policy;
}

void CompareEach(const std::vector<SourcedPolicy>& policies, std::vector<std::string>* problems) {
  for (size_t later = 0; later < policies.size(); ++later) {
    for (size_t earlier = 0; earlier < later; ++earlier) {
      CompareNames(policies[earlier], policies[later], problems);
      CompareLimits(policies[earlier], policies[later], problems);
    }
  }
  if (policies.size() > caps::kMaxPolicies) {
    problems->push_back(fmt::format("{}: more than {} caps and paces: take some out",
                                    policies[caps::kMaxPolicies].source, caps::kMaxPolicies));
  }
}

std::vector<Matcher> Matchers(const Policy& policy) {
  std::vector<Matcher> matchers;
  const auto add = [&](const char* key, const char* pattern) {
    if (pattern[0] != '\0') matchers.emplace_back(key, pattern);
  };
  add("host", policy.host);
  add("port", policy.port);
  add("dbname", policy.dbname);
  add("user", policy.user);
  add("application_name", policy.application_name);
  if (policy.call_site != 0)
    matchers.emplace_back("call_site", fmt::format("{:016x}", policy.call_site));
  return matchers;
}

std::string Describe(const Policy& policy) {
  std::string text = fmt::format("{} {}", DescribeRule(policy), caps::kScopeNames[policy.scope]);
  for (const auto& [key, value] : Matchers(policy)) text += fmt::format(" {}={}", key, value);
  return text;
}

}  // namespace pqleash::config
