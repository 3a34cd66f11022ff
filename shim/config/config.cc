// SPDX-License-Identifier: Apache-2.0

#include "shim/config/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "shim/config/policies.h"
#include "shim/config/shape.h"
#include "shim/config/toml.h"
#include "shim/config/values.h"

namespace pqleash::config {

namespace {

// One row per setting: its key in the file, its environment variable, what a valid value looks
// like, and how a text becomes a value and a value becomes text.
struct Setting {
  const char* key;
  const char* variable;  // nullptr if the setting exists only in the file
  const char* expected;
  bool (*set)(Config&, const std::string& text);
  std::string (*show)(const Config&);
  bool boolean = false;  // the file may also give it as a TOML boolean
};

template <auto member, uint32_t low, uint32_t high>
bool SetCount(Config& config, const std::string& text) {
  const auto value = ParseCount(text, low, high);
  if (value) config.*member = *value;
  return value.has_value();
}

template <auto member>
std::string ShowCount(const Config& config) {
  return fmt::format("{}", config.*member);
}

template <auto member>
std::string ShowText(const Config& config) {
  return config.*member;
}

bool SetDirectory(Config& config, const std::string& text) {
  if (text.empty() || text[0] != '/' || text.size() > 200) return false;
  config.dir = text;
  return true;
}

bool SetService(Config& config, const std::string& text) {
  if (text.empty() || text.size() > 63) return false;
  config.service = text;
  return true;
}

constexpr const char* kLogLevelNames[] = {"debug", "info", "warn", "error", "off"};
constexpr const char* kLogFormatNames[] = {"text", "json"};

template <typename Enum, size_t size>
bool SetName(Enum& value, const char* const (&names)[size], const std::string& text) {
  const auto index = IndexOfName(names, text);
  if (index) value = static_cast<Enum>(*index);
  return index.has_value();
}

bool SetLog(Config& config, const std::string& text) {
  const bool known = text == "off" || text == "stderr" || text == "syslog";
  if (!known && (text.empty() || text[0] != '/')) return false;
  config.log = text;
  return true;
}

bool SetUseStacks(Config& config, const std::string& text) {
  if (text != "off") return SetCount<&Config::use_stacks, 1, 10'000>(config, text);
  config.use_stacks = 0;
  return true;
}

bool SetReportAtExit(Config& config, const std::string& text) {
  if (text != "stderr" && (text.empty() || text[0] != '/')) return false;
  config.report_at_exit = text;
  return true;
}

const Setting kSettings[] = {
    {"dir", "PQLEASH_DIR", "an absolute path of at most 200 bytes", SetDirectory,
     ShowText<&Config::dir>},
    {"service", "PQLEASH_SERVICE", "a name of 1 to 63 bytes", SetService,
     ShowText<&Config::service>},
    {"limit", "PQLEASH_LIMIT", "a number of connections from 1 to 1000000",
     SetCount<&Config::limit, 1, 1'000'000>,
     [](const Config& c) {
       return c.limit == 0 ? std::string("none") : fmt::format("{}", c.limit);
     }},
    {"on_limit", "PQLEASH_ON_LIMIT", "warn, wait or reject",
     [](Config& c, const std::string& text) {
       return SetName(c.on_limit, caps::kOnLimitNames, text);
     },
     [](const Config& c) {
       return std::string(caps::kOnLimitNames[static_cast<int>(c.on_limit)]);
     }},
    {"wait_timeout", "PQLEASH_WAIT_TIMEOUT",
     "a time with its unit, such as 5s or 250ms, from 1ms to 24h",
     [](Config& c, const std::string& text) {
       const auto value = ParseDuration(text);
       if (!value || *value == 0) return false;
       c.wait_timeout_ms = *value;
       return true;
     },
     [](const Config& c) { return ShowDuration(c.wait_timeout_ms); }},
    {"stack_depth", "PQLEASH_STACK_DEPTH", "a number of frames from 1 to 256",
     SetCount<&Config::stack_depth, 1, 256>, ShowCount<&Config::stack_depth>},
    {"script_frames", "PQLEASH_SCRIPT_FRAMES", "on or off",
     [](Config& c, const std::string& text) {
       c.script_frames = text != "off";
       return text == "on" || text == "off";
     },
     [](const Config& c) { return std::string(c.script_frames ? "on" : "off"); }},
    {"use_stacks", "PQLEASH_USE_STACKS", "off, or a number of stacks a second from 1 to 10000",
     SetUseStacks,
     [](const Config& c) {
       return c.use_stacks == 0 ? std::string("off") : fmt::format("{}", c.use_stacks);
     }},
    {"tag_application_name", "PQLEASH_TAG_APPLICATION_NAME", "true or false",
     [](Config& c, const std::string& text) {
       c.tag_application_name = text == "true";
       return text == "true" || text == "false";
     },
     [](const Config& c) { return std::string(c.tag_application_name ? "true" : "false"); }, true},
    {"log", "PQLEASH_LOG", "off, stderr, syslog or the absolute path of a file", SetLog,
     ShowText<&Config::log>},
    {"log_level", "PQLEASH_LOG_LEVEL", "debug, info, warn, error or off",
     [](Config& c, const std::string& text) { return SetName(c.log_level, kLogLevelNames, text); },
     [](const Config& c) { return std::string(kLogLevelNames[static_cast<int>(c.log_level)]); }},
    {"log_format", "PQLEASH_LOG_FORMAT", "text or json",
     [](Config& c, const std::string& text) {
       return SetName(c.log_format, kLogFormatNames, text);
     },
     [](const Config& c) { return std::string(kLogFormatNames[static_cast<int>(c.log_format)]); }},
    {"report_at_exit", "PQLEASH_REPORT_AT_EXIT", "stderr or the absolute path of a file",
     SetReportAtExit,
     [](const Config& c) {
       return c.report_at_exit.empty() ? std::string("none") : c.report_at_exit;
     }},
    {"ledger.connections", nullptr, "a number from 16 to 1048576",
     SetCount<&Config::connections, 16, 1'048'576>, ShowCount<&Config::connections>},
    {"ledger.call_sites", nullptr, "a number from 16 to 65536",
     SetCount<&Config::call_sites, 16, 65'536>, ShowCount<&Config::call_sites>},
    {"ledger.keep_dead", "PQLEASH_KEEP_DEAD", "a number from 0 to 100000",
     SetCount<&Config::keep_dead, 0, 100'000>, ShowCount<&Config::keep_dead>},
};
constexpr size_t kSettingCount = sizeof(kSettings) / sizeof(kSettings[0]);

size_t IndexOf(std::string_view key) {
  const auto* setting = std::find_if(std::begin(kSettings), std::end(kSettings),
                                     [&](const Setting& each) { return each.key == key; });
  return static_cast<size_t>(setting - kSettings);
}

std::vector<std::string> SettingKeys() {
  std::vector<std::string> keys;
  for (const Setting& setting : kSettings) keys.emplace_back(setting.key);
  return keys;
}

// One key of a table, and its value.
struct Entry {
  std::string key;
  const toml::node* node;
  toml::source_position position;
};

// Returns the entries in the order of the file. toml++ sorts them by name.
std::vector<Entry> EntriesOf(const toml::table& table) {
  std::vector<Entry> entries;
  for (const auto& [key, node] : table) {
    entries.push_back({std::string(key.str()), &node, key.source().begin});
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.position < b.position; });
  return entries;
}

WrittenValue ValueOf(const Entry& entry) {
  WrittenValue value = {entry.key, "", WrittenValue::Type::kOther, entry.position.line};
  if (auto text = entry.node->value_exact<std::string>()) {
    value.text = *std::move(text);
    value.type = WrittenValue::Type::kText;
  } else if (const auto number = entry.node->value_exact<int64_t>()) {
    value.text = fmt::format("{}", *number);
    value.type = WrittenValue::Type::kNumber;
  }
  return value;
}

// Returns kNoPolicy if `key` is neither 'cap' nor 'pace'.
caps::Kind KindOf(std::string_view key) {
  for (const caps::Kind kind : {caps::kCap, caps::kPace}) {
    if (key == caps::kKindNames[kind]) return kind;
  }
  return caps::kNoPolicy;
}

class Loader {
 public:
  explicit Loader(const Surroundings& surroundings) : surroundings_(surroundings) {
    loaded_.config.dir = surroundings.directory;
    if (surroundings.directory.empty())
      loaded_.config.dir = fmt::format("/dev/shm/pqleash-{}", surroundings.uid);
    SetService(loaded_.config, surroundings.executable.substr(0, 63));
    if (loaded_.config.service.empty()) loaded_.config.service = "unknown";
    std::fill(sources_, sources_ + kSettingCount, "default");
  }

  Loaded Run() {
    const char* path = Variable("PQLEASH_CONFIG");
    if (path != nullptr) ReadFile(path);
    for (size_t i = 0; i < kSettingCount; ++i) {
      if (kSettings[i].variable == nullptr) continue;
      if (const char* text = Variable(kSettings[i].variable)) Take(i, text, kSettings[i].variable);
    }
    for (size_t i = 0; i < kSettingCount; ++i) {
      loaded_.effective.push_back(
          {kSettings[i].key, kSettings[i].show(loaded_.config), sources_[i]});
    }
    TakeHoldAtExit();
    RefuseWithoutLimit();
    TakePolicies();
    return std::move(loaded_);
  }

 private:
  // An empty variable counts as not set, like the shell's ${NAME:-default}.
  const char* Variable(const char* name) const {
    const char* value = surroundings_.environment(name);
    return value != nullptr && value[0] != '\0' ? value : nullptr;
  }

  void Take(size_t index, const std::string& text, const std::string& source) {
    const Setting& setting = kSettings[index];
    given_[index] = true;
    if (setting.set(loaded_.config, text)) {
      sources_[index] = source;
      return;
    }
    loaded_.problems.push_back(fmt::format("{}: '{}' is no value for {}: expected {}; using {}",
                                           source, text, setting.key, setting.expected,
                                           setting.show(loaded_.config)));
  }

  // PQLEASH_HOLD_AT_EXIT is not in the table of settings. `pqleash audit` sets it, no person does,
  // and the list of effective values shows it only where it is set.
  void TakeHoldAtExit() {
    constexpr const char* kVariable = "PQLEASH_HOLD_AT_EXIT";
    const char* text = Variable(kVariable);
    if (text == nullptr) return;
    const auto value = ParseDuration(text);
    if (value && *value <= kMaxHoldAtExitMs) {
      loaded_.config.hold_at_exit_ms = *value;
      loaded_.effective.push_back({"hold_at_exit", ShowDuration(*value), kVariable});
    } else {
      loaded_.problems.push_back(
          fmt::format("{}: '{}' is no value for hold_at_exit: expected a time with its unit, such "
                      "as 5s, of at most {}; using 0s",
                      kVariable, text, ShowDuration(kMaxHoldAtExitMs)));
    }
  }

  void ReadFile(const std::string& path) {
    loaded_.file = path;
    std::string error;
    const auto text = surroundings_.read_file(path, &error);
    if (!text) {
      loaded_.problems.push_back(fmt::format(
          "PQLEASH_CONFIG: cannot read '{}': {}; using the defaults and the PQLEASH_ variables",
          path, error));
      return;
    }
    loaded_.empty_file = text->find_first_not_of(" \t\r\n") == std::string::npos;
    if (const auto excess = FindExcess(*text)) {
      loaded_.problems.push_back(DescribeExcess(path, *excess));
      return;
    }
    // The parser is not given the path. toml++ would copy it in a function that lets no exception
    // out, so a host without memory would be ended by std::terminate.
    const toml::parse_result parsed = toml::parse(std::string_view(*text));
    if (!parsed) {
      loaded_.problems.push_back(fmt::format("{}:{}: {}; nothing in this file is used", path,
                                             parsed.error().source().begin.line,
                                             parsed.error().description()));
      return;
    }
    ReadTable(parsed.table(), "");
    std::stable_sort(written_.begin(), written_.end(),
                     [](const auto& a, const auto& b) { return a.line < b.line; });
    policies_ = ReadPolicies(path, written_, SettingKeys(), &loaded_.problems);
  }

  static std::string DescribeExcess(const std::string& path, const Excess& excess) {
    constexpr const char* kNothing = "nothing in this file is used";
    switch (excess.kind) {
      case Excess::Kind::kSize:
        return fmt::format("{}: the file has more than {} KiB: expected at most that; {}", path,
                           kMaxFileSize / 1024, kNothing);
      case Excess::Kind::kNesting:
        return fmt::format(
            "{}:{}: brackets stand within each other more than {} deep: expected "
            "texts and numbers in [[cap]] and [[pace]]; {}",
            path, excess.line, kMaxNesting, kNothing);
      case Excess::Kind::kKeyParts:
        return fmt::format(
            "{}:{}: a key has more than {} parts with dots between them: expected "
            "one or two, such as ledger.connections; {}",
            path, excess.line, kMaxKeyParts, kNothing);
      case Excess::Kind::kCharacter:
        return fmt::format(
            "{}:{}: a character from U+FB26 to U+FEFE stands outside of a text in single or double "
            "quotes: expected it there or in a comment; {}",
            path, excess.line, kNothing);
    }
    return "";
  }

  std::string At(const toml::source_position& position) const {
    return fmt::format("{}:{}", loaded_.file, position.line);
  }

  void ReadTable(const toml::table& table, const std::string& prefix) {
    for (Entry& entry : EntriesOf(table)) {
      const caps::Kind kind = prefix.empty() ? KindOf(entry.key) : caps::kNoPolicy;
      const bool section = prefix.empty() && IsSection(entry.key);
      entry.key = prefix + entry.key;
      if (kind != caps::kNoPolicy) {
        ReadTables(kind, entry);
      } else if (section && entry.node->is_table()) {
        ReadTable(*entry.node->as_table(), entry.key + ".");
      } else if (section) {
        loaded_.problems.push_back(
            fmt::format("{}: {} is no single table: write [{}]; it is ignored", At(entry.position),
                        entry.key, entry.key));
      } else {
        ReadValue(entry);
      }
    }
  }

  static bool IsSection(const std::string& key) {
    return std::any_of(std::begin(kSettings), std::end(kSettings), [&](const Setting& setting) {
      return std::string_view(setting.key).substr(0, key.size() + 1) == key + ".";
    });
  }

  // Reads all [[cap]] tables, or all [[pace]] tables.
  void ReadTables(caps::Kind kind, const Entry& entry) {
    wants_policies_ = true;
    if (entry.node->is_table()) {
      loaded_.problems.push_back(fmt::format("{}: [{}] has one pair of brackets: write [[{}]]",
                                             At(entry.position), entry.key, entry.key));
    } else if (!entry.node->is_array_of_tables()) {
      loaded_.problems.push_back(
          fmt::format("{}: {} is neither a table nor a list of tables: write "
                      "[[{}]], and its keys in the lines below",
                      At(entry.position), entry.key, entry.key));
    } else {
      for (const toml::node& table : *entry.node->as_array()) {
        WrittenPolicy policy = {kind, table.source().begin.line, {}};
        for (const Entry& each : EntriesOf(*table.as_table())) {
          policy.values.push_back(ValueOf(each));
        }
        written_.push_back(std::move(policy));
      }
    }
  }

  void ReadValue(const Entry& entry) {
    const std::string source = At(entry.position);
    const size_t index = IndexOf(entry.key);
    if (index == kSettingCount) {
      RefuseKey(entry, source);
      return;
    }
    const WrittenValue value = ValueOf(entry);
    if (value.type != WrittenValue::Type::kOther) {
      Take(index, value.text, source);
      return;
    }
    const Setting& setting = kSettings[index];
    if (const auto flag = entry.node->value_exact<bool>(); flag && setting.boolean) {
      Take(index, *flag ? "true" : "false", source);
      return;
    }
    given_[index] = true;
    loaded_.problems.push_back(
        fmt::format("{}: {} is neither a text nor a whole number: expected {}; using {}", source,
                    entry.key, setting.expected, setting.show(loaded_.config)));
  }

  void RefuseKey(const Entry& entry, const std::string& source) {
    std::vector<std::string> keys = SettingKeys();
    for (const caps::Kind kind : {caps::kCap, caps::kPace})
      keys.emplace_back(caps::kKindNames[kind]);
    const std::string nearest = NearestName(entry.key, keys);
    if (KindOf(nearest) != caps::kNoPolicy) wants_policies_ = true;
    loaded_.problems.push_back(
        fmt::format("{}: unknown key '{}'{}; it is ignored", source, entry.key,
                    nearest.empty() ? "" : fmt::format(": did you mean '{}'?", nearest)));
  }

  bool FromFile(size_t index) const {
    return sources_[index] != "default" && sources_[index] != kSettings[index].variable;
  }

  // Refuses on_limit and wait_timeout in the file when no limit is set. A variable may set them
  // without a limit, because variables are often set for many services at once.
  void RefuseWithoutLimit() {
    const size_t limit = IndexOf("limit");
    const size_t on_limit = IndexOf("on_limit");
    const size_t wait_timeout = IndexOf("wait_timeout");
    for (const size_t index : {on_limit, wait_timeout}) {
      if (given_[limit] || !FromFile(index)) continue;
      loaded_.problems.push_back(
          fmt::format("{}: {} has no effect without a limit: set limit, too, or write {} in the "
                      "[[cap]] or [[pace]] that it is meant for",
                      sources_[index], kSettings[index].key, kSettings[index].key));
    }
    // A value that a variable overrides, or that is invalid already, is not a contradiction.
    const bool as_written = FromFile(on_limit) || !given_[on_limit];
    if (given_[limit] && FromFile(wait_timeout) && as_written &&
        loaded_.config.on_limit != caps::kWait) {
      loaded_.problems.push_back(fmt::format(
          "{}: wait_timeout contradicts on_limit = \"{}\" ({}): set on_limit = \"wait\", or take "
          "wait_timeout out",
          sources_[wait_timeout], caps::kOnLimitNames[loaded_.config.on_limit],
          FromFile(on_limit) ? sources_[on_limit] : "the default"));
    }
  }

  void TakePolicies() {
    const Config& config = loaded_.config;
    if (config.limit != 0) {
      policies_.push_back({LimitPolicy(config.limit, config.on_limit, config.wait_timeout_ms),
                           sources_[IndexOf("limit")], true});
      wants_policies_ = true;
    }
    CompareEach(policies_, &loaded_.problems);
    if (loaded_.problems.empty()) {
      for (const SourcedPolicy& each : policies_) {
        loaded_.config.policies.push_back(each.policy);
        loaded_.effective.push_back(
            {fmt::format("{} {}", caps::kKindNames[each.policy.kind], each.policy.name),
             Describe(each.policy), each.source});
      }
    } else if (wants_policies_) {
      const size_t count = loaded_.problems.size();
      loaded_.problems.push_back(
          fmt::format("{}: {}: no cap or pace of this configuration is in force (observe only) "
                      "until {} mended",
                      loaded_.file.empty() ? "PQLEASH_LIMIT" : loaded_.file,
                      count == 1 ? "1 problem" : fmt::format("{} problems", count),
                      count == 1 ? "it is" : "they are"));
    }
  }

  const Surroundings& surroundings_;
  Loaded loaded_;
  std::string sources_[kSettingCount];
  bool given_[kSettingCount] = {};  // the setting was given, valid or not
  std::vector<WrittenPolicy> written_;
  std::vector<SourcedPolicy> policies_;
  // The configuration has caps or paces, or something that looks like one.
  bool wants_policies_ = false;
};

}  // namespace

Loaded Load(const Surroundings& surroundings) { return Loader(surroundings).Run(); }

}  // namespace pqleash::config
