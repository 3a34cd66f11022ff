// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/serve_options.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "reporter/commands/fail_on.h"
#include "reporter/commands/options.h"
#include "reporter/report/bounded_file.h"
#include "reporter/serve/config_arguments.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/duration.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kMaxConfigBytes = 1 << 20;

constexpr std::string_view kConfigKeys[] = {"listen",     "tls_cert",        "tls_key", "auth_file",
                                            "interval",   "scan_interval",   "top",     "dir",
                                            "on_finding", "on_finding_level"};

struct Texts {
  std::string listen = "127.0.0.1:9878";
  std::string tls_cert;
  std::string tls_key;
  std::string auth_file;
  std::string config;
  std::optional<uint64_t> interval_ns;
  std::optional<FindingLevel> on_finding_level;
};

void AddScanIntervalOption(CommandLine* line, ServeOptions* options) {
  const auto take = [options](const std::string& text) -> Complaint {
    options->scan_interval.reset();
    if (text == "off") return {};
    const std::optional<uint64_t> ns = ParseDuration(text);
    if (!ns || *ns < kSecond) {
      return fmt::format("'{}' is neither off nor a duration of 1s or more", text);
    }
    options->scan_interval = std::chrono::nanoseconds(*ns);
    return {};
  };
  line->AddTaken("--scan-interval", "DURATION", take,
                 "Search the memory of living processes for lost connections this often, or off "
                 "(default: 5m)");
}

void AddOptions(CommandLine* line, Texts* texts, ServeOptions* options) {
  line->LetLastHold();
  line->AddText("--listen", "ADDRESS:PORT", &texts->listen,
                "Address and port (default: 127.0.0.1:9878; port 0: any). One that is not "
                "loopback needs --tls-cert, --tls-key and --auth-file");
  line->AddText("--tls-cert", "FILE", &texts->tls_cert, "Certificate and its chain, in PEM");
  line->AddText("--tls-key", "FILE", &texts->tls_key, "Private key of it, in PEM");
  line->AddText("--auth-file", "FILE", &texts->auth_file,
                "Who may ask: lines 'basic USER:PASSWORD' or 'bearer TOKEN', in a file of mode "
                "0600, or 0640 where root owns it");
  AddDurationOption(line, "--interval", "Read the ledgers this often (default: 5s; at least 1s)",
                    &texts->interval_ns);
  AddScanIntervalOption(line, options);
  line->AddNumber(
      "--top", "N", {0, 1'000}, [options](int32_t top) { options->top = static_cast<size_t>(top); },
      "Call sites with series of their own; the others are summed up (default: 10)");
  AddDirectoryOption(line, &options->directory);
  line->AddText("--on-finding", "COMMAND", &options->on_finding,
                "Command for /bin/sh to run for each new finding, which is on its stdin as JSON");
  line->AddTaken(
      "--on-finding-level", "LEVEL",
      [texts](const std::string& text) { return TakeLevel(text, &texts->on_finding_level); },
      "Run it for findings that are critical, at least warning, at least info, proven, or at least "
      "likely (default: likely, which is all)");
  line->AddText("--config", "FILE", &texts->config,
                "TOML file with these options, as in on_finding = \"...\"; the command line wins");
}

// The options of the file. False: it was said what is wrong.
bool ReadConfig(const std::string& path, std::vector<std::string>* arguments) {
  std::string problem;
  const std::optional<std::string> text = ReadBoundedFile(path, kMaxConfigBytes, &problem);
  if (!text) {
    Diagnose("serve: " + problem);
    return false;
  }
  auto parsed = ConfigArguments(*text, kConfigKeys);
  if (const auto* clause = std::get_if<std::string>(&parsed)) {
    Diagnose(fmt::format("serve: {}, {}", path, *clause));
    return false;
  }
  *arguments = std::get<std::vector<std::string>>(std::move(parsed));
  return true;
}

// Reads the files that are named. The exit code to leave with.
std::optional<int> ReadFiles(const Texts& texts, ServeOptions* options) {
  const bool tls = !texts.tls_cert.empty() || !texts.tls_key.empty();
  if (tls && (texts.tls_cert.empty() || texts.tls_key.empty())) {
    Diagnose("serve: --tls-cert and --tls-key are needed both");
    return kUsage;
  }
  if (!options->address.loopback && (!tls || texts.auth_file.empty())) {
    Diagnose(
        fmt::format("serve: {} can be reached by others, who would read names of users, "
                    "databases and code: give --tls-cert, --tls-key and --auth-file, or "
                    "listen on 127.0.0.1",
                    options->address.host));
    return kUsage;
  }
  if (!texts.auth_file.empty()) {
    auto credentials = ReadCredentials(texts.auth_file);
    if (const auto* sentence = std::get_if<std::string>(&credentials)) {
      Diagnose("serve: " + *sentence);
      return kFailed;
    }
    options->credentials = std::get<Credentials>(std::move(credentials));
  }
  if (tls) {
    auto context = MakeTlsContext(texts.tls_cert, texts.tls_key);
    if (const auto* sentence = std::get_if<std::string>(&context)) {
      Diagnose("serve: " + *sentence);
      return kFailed;
    }
    options->tls = std::get<TlsContext>(std::move(context));
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> ReadServeOptions(const Arguments& arguments, ServeOptions* options) {
  Texts texts;
  const auto parse = [&](const Arguments& all) {
    CommandLine line("Serve metrics for Prometheus, the report as JSON, and a page.");
    AddOptions(&line, &texts, options);
    return line.Parse("serve", all);
  };
  if (const auto exit_code = parse(arguments)) return exit_code;
  if (!texts.config.empty()) {
    Arguments all;
    if (!ReadConfig(texts.config, &all)) return kUsage;
    all.insert(all.end(), arguments.begin(), arguments.end());
    if (const auto exit_code = parse(all)) return exit_code;
  }
  options->on_finding_level = texts.on_finding_level.value_or(FindingLevel{});
  if (texts.interval_ns) {
    if (*texts.interval_ns < kSecond) {
      Diagnose(
          "serve: --interval is less than 1s: nobody scrapes that often, and each reading "
          "costs time");
      return kUsage;
    }
    options->interval = std::chrono::nanoseconds(*texts.interval_ns);
  }
  auto address = ParseListenAddress(texts.listen);
  if (const auto* clause = std::get_if<std::string>(&address)) {
    Diagnose(fmt::format("serve: --listen: {}; see `pqleash serve --help`", *clause));
    return kUsage;
  }
  options->address = std::get<ListenAddress>(std::move(address));
  return ReadFiles(texts, options);
}

}  // namespace pqleash::reporter
