// SPDX-License-Identifier: Apache-2.0

#include "shim/config/config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <string_view>

#include "shim/config/values.h"

namespace pqleash::config {

namespace {

// One row a setting: its key in the file, its variable, what a value must look like, and how a text
// becomes a value.
struct Setting {
  const char* key;
  const char* variable;  // nullptr: in the file only
  const char* expected;
  bool (*set)(Config&, const std::string& text);
  std::string (*show)(const Config&);
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

// In the order of caps::OnLimit.
constexpr const char* kOnLimitNames[] = {"warn", "wait", "reject"};
constexpr const char* kLogLevelNames[] = {"debug", "info", "warn", "error", "off"};

template <typename Enum, size_t size>
bool SetName(Enum& value, const char* const (&names)[size], const std::string& text) {
  const auto* name = std::find(names, names + size, text);
  if (name == names + size) return false;
  value = static_cast<Enum>(name - names);
  return true;
}

bool SetLog(Config& config, const std::string& text) {
  const bool known = text == "off" || text == "stderr" || text == "syslog";
  if (!known && (text.empty() || text[0] != '/')) return false;
  config.log = text;
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
     [](Config& c, const std::string& text) { return SetName(c.on_limit, kOnLimitNames, text); },
     [](const Config& c) { return std::string(kOnLimitNames[static_cast<int>(c.on_limit)]); }},
    {"wait_timeout", "PQLEASH_WAIT_TIMEOUT", "a time with its unit, such as 5s or 250ms, up to 24h",
     [](Config& c, const std::string& text) {
       const auto value = ParseDuration(text);
       if (value) c.wait_timeout_ms = *value;
       return value.has_value();
     },
     [](const Config& c) { return fmt::format("{}ms", c.wait_timeout_ms); }},
    {"stack_depth", "PQLEASH_STACK_DEPTH", "a number of frames from 1 to 256",
     SetCount<&Config::stack_depth, 1, 256>, ShowCount<&Config::stack_depth>},
    {"script_frames", "PQLEASH_SCRIPT_FRAMES", "on or off",
     [](Config& c, const std::string& text) {
       c.script_frames = text != "off";
       return text == "on" || text == "off";
     },
     [](const Config& c) { return std::string(c.script_frames ? "on" : "off"); }},
    {"log", "PQLEASH_LOG", "off, stderr, syslog or the absolute path of a file", SetLog,
     ShowText<&Config::log>},
    {"log_level", "PQLEASH_LOG_LEVEL", "debug, info, warn, error or off",
     [](Config& c, const std::string& text) { return SetName(c.log_level, kLogLevelNames, text); },
     [](const Config& c) { return std::string(kLogLevelNames[static_cast<int>(c.log_level)]); }},
    {"report_at_exit", "PQLEASH_REPORT_AT_EXIT", "stderr or the absolute path of a file",
     SetReportAtExit,
     [](const Config& c) {
       return c.report_at_exit.empty() ? std::string("none") : c.report_at_exit;
     }},
    {"ledger.connections", nullptr, "a number from 16 to 1048576",
     SetCount<&Config::connections, 16, 1'048'576>, ShowCount<&Config::connections>},
    {"ledger.call_sites", nullptr, "a number from 16 to 65536",
     SetCount<&Config::call_sites, 16, 65'536>, ShowCount<&Config::call_sites>},
    {"ledger.keep_dead", nullptr, "a number from 0 to 100000",
     SetCount<&Config::keep_dead, 0, 100'000>, ShowCount<&Config::keep_dead>},
};
constexpr size_t kSettingCount = sizeof(kSettings) / sizeof(kSettings[0]);

class Loader {
 public:
  explicit Loader(const Surroundings& surroundings) : surroundings_(surroundings) {
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
    return std::move(loaded_);
  }

 private:
  // An empty variable counts as not set, as the shell's ${NAME:-default} has it.
  const char* Variable(const char* name) const {
    const char* value = surroundings_.environment(name);
    return value != nullptr && value[0] != '\0' ? value : nullptr;
  }

  void Take(size_t index, const std::string& text, const std::string& source) {
    const Setting& setting = kSettings[index];
    if (setting.set(loaded_.config, text)) {
      sources_[index] = source;
      return;
    }
    loaded_.problems.push_back(fmt::format("{}: '{}' is no value for {}: expected {}; using {}",
                                           source, text, setting.key, setting.expected,
                                           setting.show(loaded_.config)));
  }

  void ReadFile(const std::string& path) {
    std::string error;
    const auto text = surroundings_.read_file(path, &error);
    if (!text) {
      loaded_.problems.push_back(fmt::format(
          "PQLEASH_CONFIG: cannot read '{}': {}; using the defaults and the PQLEASH_ variables",
          path, error));
      return;
    }
    const toml::parse_result parsed = toml::parse(std::string_view(*text), std::string_view(path));
    if (!parsed) {
      loaded_.problems.push_back(fmt::format("{}:{}: {}; nothing in this file is used", path,
                                             parsed.error().source().begin.line,
                                             parsed.error().description()));
      return;
    }
    ReadTable(parsed.table(), "", path);
  }

  void ReadTable(const toml::table& table, const std::string& prefix, const std::string& path) {
    for (const auto& [name, node] : table) {
      const std::string key = prefix + std::string(name.str());
      const std::string source = fmt::format("{}:{}", path, name.source().begin.line);
      if (node.is_table() && prefix.empty() && IsSection(key)) {
        ReadTable(*node.as_table(), key + ".", path);
        continue;
      }
      ReadValue(key, node, source);
    }
  }

  static bool IsSection(const std::string& key) {
    return std::any_of(std::begin(kSettings), std::end(kSettings), [&](const Setting& setting) {
      return std::string_view(setting.key).substr(0, key.size() + 1) == key + ".";
    });
  }

  void ReadValue(const std::string& key, const toml::node& node, const std::string& source) {
    const auto* setting =
        std::find_if(std::begin(kSettings), std::end(kSettings),
                     [&](const Setting& candidate) { return candidate.key == key; });
    if (setting == std::end(kSettings)) {
      std::vector<std::string> keys;
      for (const Setting& candidate : kSettings) keys.emplace_back(candidate.key);
      const std::string nearest = NearestName(key, keys);
      loaded_.problems.push_back(
          fmt::format("{}: unknown key '{}'{}; it is ignored", source, key,
                      nearest.empty() ? "" : fmt::format(": did you mean '{}'?", nearest)));
      return;
    }
    const auto index = static_cast<size_t>(setting - kSettings);
    if (const auto text = node.value_exact<std::string>()) {
      Take(index, *text, source);
    } else if (const auto number = node.value_exact<int64_t>()) {
      Take(index, fmt::format("{}", *number), source);
    } else {
      loaded_.problems.push_back(
          fmt::format("{}: {} is neither a text nor a whole number: expected {}; using {}", source,
                      key, setting->expected, setting->show(loaded_.config)));
    }
  }

  const Surroundings& surroundings_;
  Loaded loaded_;
  std::string sources_[kSettingCount];
};

}  // namespace

Loaded Load(const Surroundings& surroundings) { return Loader(surroundings).Run(); }

}  // namespace pqleash::config
