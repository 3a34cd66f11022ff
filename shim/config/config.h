// SPDX-License-Identifier: Apache-2.0
//
// The configuration of the library in one process: the values, and the source of each value.
//
// Thread-safety: everything here is a plain value or a function of its arguments. Load reads the
// environment and one file through the functions that its caller passes in.

#ifndef PQLEASH_SHIM_CONFIG_CONFIG_H_
#define PQLEASH_SHIM_CONFIG_CONFIG_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "shim/caps/policy.h"

namespace pqleash::config {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };
enum class LogFormat { kText, kJson };

// The largest value of PQLEASH_HOLD_AT_EXIT, in milliseconds.
inline constexpr uint32_t kMaxHoldAtExitMs = 10'000;

// All settings, with their defaults. The defaults only observe: no cap is in force.
struct Config {
  std::string dir;      // directory of the ledgers; an absolute path of at most 200 bytes
  std::string service;  // name of the service in reports; 1 to 63 bytes
  uint32_t limit = 0;   // connections of this process, 1 to 1,000,000; 0: no limit
  // What happens beyond `limit`, and how long a connect waits, in milliseconds.
  caps::OnLimit on_limit = caps::kWarn;
  uint32_t wait_timeout_ms = 5'000;
  uint32_t stack_depth = 32;          // frames recorded per stack, 1 to 256
  bool script_frames = true;          // record the frames of interpreted programs
  uint32_t use_stacks = 200;          // stacks of uses recorded per second, 1 to 10,000; 0: none
  bool tag_application_name = false;  // add the call site's id to application_name
  std::string log = "off";            // 'off', 'stderr', 'syslog' or the absolute path of a file
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  std::string report_at_exit;  // 'stderr' or the absolute path of a file; empty: no report
  // How long the process waits at its end for `pqleash audit` to examine its memory, in
  // milliseconds: 0 to kMaxHoldAtExitMs. It waits only if connections are open then. Only the
  // environment can set this. In a file it would delay every stop of a service.
  uint32_t hold_at_exit_ms = 0;
  uint32_t connections = 4'096;  // connection slots of the ledger, 16 to 1,048,576
  uint32_t call_sites = 1'024;   // call sites of the ledger, 16 to 65,536
  uint32_t keep_dead = 64;       // ledgers of ended processes to keep, 0 to 100,000
  // The caps and paces of the file, in the file's order. If `limit` is set, a cap named 'limit' of
  // scope process follows them. Empty if any value of the configuration could not be used.
  std::vector<caps::Policy> policies;
};

// One setting as it took effect, for the start-up line of the log.
struct Effective {
  std::string name;  // key in the file
  std::string value;
  std::string source;  // 'default', 'PQLEASH_…' or 'FILE:LINE'
};

// The result of Load.
struct Loaded {
  Config config;
  std::string file;         // path in PQLEASH_CONFIG, whether or not it could be read; empty: none
  bool empty_file = false;  // the file has nothing but blanks, not even a comment
  // All settings, then one element 'cap NAME' or 'pace NAME' for each of config.policies.
  std::vector<Effective> effective;
  // One sentence for each value that could not be used: where it stands, what is wrong, and what is
  // used instead. If there is any problem, no cap or pace is in force, because half a configuration
  // is worse than none. In that case the last sentence says so if the configuration has caps or
  // paces.
  std::vector<std::string> problems;
};

// What Load needs to know about the process. Tests pass their own.
struct Surroundings {
  // Returns the value of an environment variable, or nullptr if it is not set.
  std::function<const char*(const char* name)> environment;
  // Returns the content of a file. If the file cannot be read, returns no value and sets `error` to
  // the reason.
  std::function<std::optional<std::string>(const std::string& path, std::string* error)> read_file;
  uint32_t uid = 0;
  std::string executable;  // base name of the program; the default of `service`
  std::string directory;   // the default of `dir`; empty: /dev/shm/pqleash-<uid>
};

// Reads the file that PQLEASH_CONFIG names, if any, and then the variables. A variable overrides
// the file. Invalid input never throws; it is described in Loaded::problems. May throw
// std::bad_alloc.
Loaded Load(const Surroundings& surroundings);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_CONFIG_H_
