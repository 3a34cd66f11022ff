// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/settings.h"

#include <fmt/format.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "shim/config/config.h"
#include "shim/config/default_directory.h"
#include "shim/config/environment.h"
#include "shim/config/file.h"
#include "shim/config/file_change.h"
#include "shim/log/log.h"
#include "shim/support/clock.h"
#include "shim/support/hash.h"
#include "shim/support/late_start.h"
#include "shim/support/stack_room.h"
#include "shim/support/text.h"

namespace pqleash::tracker {

namespace {

void Adopt(const config::Config& config, Settings* settings) {
  CopyText(config.dir.c_str(), settings->dir);
  CopyText(config.service.c_str(), settings->service);
  settings->stack_depth = config.stack_depth;
  settings->script_frames = config.script_frames;
  settings->use_stacks = config.use_stacks;
  settings->tag_application_name = config.tag_application_name;
  settings->connections = config.connections;
  settings->call_sites = config.call_sites;
  settings->keep_dead = config.keep_dead;
  settings->hold_at_exit_ms = config.hold_at_exit_ms;
  CopyText(config.report_at_exit.c_str(), settings->report_at_exit);
}

// Of the configuration. Read and written by one thread at a time: the one that makes the process's
// state, then the one that holds the lock of its caps.
constinit config::FileChange file = {};

config::Loaded LoadConfiguration(const Identity& identity) {
  config::Surroundings surroundings;
  surroundings.environment = config::Variable;
  surroundings.read_file = config::ReadConfigFile;
  surroundings.uid = identity.uid;
  surroundings.directory = config::FindDefaultDirectory(identity.uid).path;
  surroundings.executable = identity.ExecutableName();
  return config::Load(surroundings);
}

void AdoptPolicies(const config::Loaded& loaded, caps::Configured* policies) {
  policies->count =
      static_cast<uint32_t>(std::min<size_t>(loaded.config.policies.size(), caps::kMaxPolicies));
  std::copy_n(loaded.config.policies.begin(), policies->count, policies->policies);
  const char* path = config::Variable("PQLEASH_CONFIG");
  Fnv1a source;
  if (path != nullptr) source.Add(std::string_view(path));
  policies->source = path != nullptr && path[0] != '\0' ? source.value() : 0;
  policies->stamp = file.taken().modified_ns;
}

void Announce(const config::Loaded& loaded, const Identity& identity) {
  for (const std::string& problem : loaded.problems)
    log::Write(log::Level::kError, log::Event::kConfigProblem, "%s", problem.c_str());
  const config::DefaultDirectory usual = config::FindDefaultDirectory(identity.uid);
  if (!usual.taken.empty() && usual.path == loaded.config.dir) {
    log::Write(log::Level::kWarn, log::Event::kConfigProblem,
               "%s belongs to somebody else: ledgers and caps of this user are in %s; remove the "
               "former as root, or set PQLEASH_DIR",
               usual.taken.c_str(), usual.path.c_str());
  }
  if (!log::Enabled(log::Level::kInfo)) return;
  std::string line = fmt::format("pqleash {} in {}:", PQLEASH_VERSION, identity.ExecutableName());
  for (const auto& setting : loaded.effective) {
    line += fmt::format(" {}={} ({})", setting.name, setting.value, setting.source);
  }
  log::Write(log::Level::kInfo, log::Event::kStart, "%s", line.c_str());
}

// A file that has changed. False: it says nothing that can be used, which is logged.
bool MayBeTakenOver(const config::Loaded& loaded, const char* path) {
  for (const std::string& problem : loaded.problems)
    log::Write(log::Level::kError, log::Event::kConfigProblem, "%s", problem.c_str());
  if (loaded.problems.empty() && !loaded.empty_file) return true;
  const log::Field file_name = log::Field::Text("file", path);
  if (loaded.empty_file) {
    log::Write(log::Level::kError, log::Event::kConfigKept, {file_name},
               "%s is empty: its old caps stay in force; to have none, write a comment into it, "
               "such as '# no caps'",
               path);
  } else {
    log::Write(log::Level::kError, log::Event::kConfigKept, {file_name},
               "%s has changed and cannot be used: its old caps stay in force", path);
  }
  return false;
}

}  // namespace

// PostgreSQL's own servers, and our tool: under an audit `pqleash run` passes the library on, and
// its own connection to a server is nobody's.
bool MustStayOut(const Identity& identity) noexcept {
  if (config::Disabled()) return true;
  if (getauxval(AT_SECURE) != 0) return true;
  static constexpr const char* kLeftAlone[] = {
      "pqleash",    "postgres",  "postmaster", "initdb",     "pg_ctl",
      "pg_upgrade", "pg_rewind", "pg_regress", "pg_isready", "pg_ctlcluster"};
  for (const char* program : kLeftAlone) {
    if (strcmp(identity.ExecutableName(), program) == 0) return true;
  }
  return false;
}

void ReadSettings(const Identity& identity, Settings* settings,
                  caps::Configured* policies) noexcept {
  RunLateStart();
  *settings = {};
  policies->count = 0;
  const char* run = config::Variable("PQLEASH_RUN");
  settings->run_id = run != nullptr ? LeadingNumber<uint64_t>(run, 16) : 0;
  try {
    file.Take(config::MarkOf(config::Variable("PQLEASH_CONFIG")));
    const config::Loaded loaded = LoadConfiguration(identity);
    log::Open(loaded.config);
    Announce(loaded, identity);
    Adopt(loaded.config, settings);
    AdoptPolicies(loaded, policies);
  } catch (...) {
    // No memory for the configuration: what follows needs none of the heap.
    const char* dir = config::Variable("PQLEASH_DIR");
    if (dir != nullptr && dir[0] == '/' && strlen(dir) < sizeof(settings->dir)) {
      CopyText(dir, settings->dir);
    } else {
      snprintf(settings->dir, sizeof(settings->dir), "/dev/shm/pqleash-%u", identity.outer_uid);
    }
    snprintf(settings->service, sizeof(settings->service), "%.63s", identity.ExecutableName());
    settings->stack_depth = 32;
    settings->connections = 256;
    settings->call_sites = 64;
    settings->keep_dead = 64;
  }
}

bool ReadPoliciesAgain(caps::Configured* policies) noexcept {
  const char* path = config::Variable("PQLEASH_CONFIG");
  const config::FileMark mark = config::MarkOf(path);
  if (!file.IsDue(mark, Now(), ReadClock(CLOCK_REALTIME))) return false;
  // Read at the next connect of a thread that has more.
  if (!StackHasRoom(kStackForConfiguration)) return false;
  try {
    Identity identity;
    ReadIdentity(&identity);
    const config::Loaded loaded = LoadConfiguration(identity);
    // Somebody writes it at this moment.
    if (!(config::MarkOf(path) == mark)) return false;
    file.Take(mark);
    if (!MayBeTakenOver(loaded, path)) return false;
    AdoptPolicies(loaded, policies);
    log::Write(log::Level::kInfo, log::Event::kConfigReloaded,
               {log::Field::Text("file", path), log::Field::Number("policies", policies->count)},
               "%s has changed: %u caps and paces of it are in force", path, policies->count);
    return true;
  } catch (...) {
    return false;  // no memory: the old ones stay
  }
}

}  // namespace pqleash::tracker
