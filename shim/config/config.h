// SPDX-License-Identifier: Apache-2.0
//
// The configuration of the library in one process: values, and where each came from.

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

inline constexpr uint32_t kMaxHoldAtExitMs = 10'000;

// Every setting, with its default: observe only.
struct Config {
  std::string dir;      // directory of the ledgers; absolute
  std::string service;  // 1 to 63 bytes
  uint32_t limit = 0;   // connections of this process; 0: none
  caps::OnLimit on_limit = caps::kWarn;
  uint32_t wait_timeout_ms = 5'000;
  uint32_t stack_depth = 32;          // frames recorded at most: 1 to 256
  bool script_frames = true;          // take the frames of interpreted programs
  bool tag_application_name = false;  // add the call site's id to application_name
  std::string log = "off";            // off, stderr, syslog, or the path of a file
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  std::string report_at_exit;  // stderr, or the path of a file; empty: none
  // How long the process waits at its end for somebody to look at its memory, if connections are
  // open then; in milliseconds, at most kMaxHoldAtExitMs; 0: not at all. Of the environment alone,
  // which `pqleash audit` sets: in a file it would hold up every end of a service.
  uint32_t hold_at_exit_ms = 0;
  uint32_t connections = 4'096;  // capacity of the ledger: 16 to 1,048,576
  uint32_t call_sites = 1'024;   // capacity of the ledger: 16 to 65,536
  uint32_t keep_dead = 64;       // ledgers of ended processes that are kept: 0 to 100,000
  // The caps and paces of the file, in its order, and one named 'limit' of scope process where
  // `limit` is set. Empty where anything of the configuration could not be used.
  std::vector<caps::Policy> policies;
};

// One setting as it took effect, for the start-up line of the log.
struct Effective {
  std::string name;  // key in the file
  std::string value;
  std::string source;  // 'default', 'PQLEASH_…' or 'FILE:LINE'
};

struct Loaded {
  Config config;
  std::string file;         // path of the file as PQLEASH_CONFIG gives it, read or not; empty: none
  bool empty_file = false;  // it was read, and nothing but blanks is in it, not even a comment
  // Every setting, then 'cap NAME' or 'pace NAME' for each of config.policies.
  std::vector<Effective> effective;
  // One sentence for each value that could not be used: where it stands, what is wrong, what is
  // used instead. Not empty means that caps and paces are not in force (observe only): half a
  // configuration is worse than none. The last sentence says so, where there are any.
  std::vector<std::string> problems;
};

// What the process gives.
struct Surroundings {
  // Value of an environment variable; nullptr: not set.
  std::function<const char*(const char* name)> environment;
  // Content of a file; no value: cannot be read, and `error` says why.
  std::function<std::optional<std::string>(const std::string& path, std::string* error)> read_file;
  uint32_t uid = 0;
  std::string executable;  // base name; the default of `service`
  std::string directory;   // the default of `dir`; empty: /dev/shm/pqleash-<uid>
};

// Reads the file that PQLEASH_CONFIG names, if any, then the variables, which win over it. Never
// throws for bad input: bad input is in `problems`. May throw std::bad_alloc.
Loaded Load(const Surroundings& surroundings);

}  // namespace pqleash::config

#endif  // PQLEASH_SHIM_CONFIG_CONFIG_H_
