// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/absence.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "reporter/snapshot/executable.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

// Value of a variable in the content of /proc/PID/environ.
std::optional<std::string> Variable(std::string_view environ, std::string_view name) {
  while (!environ.empty()) {
    const size_t end = std::min(environ.find('\0'), environ.size());
    const std::string_view entry = environ.substr(0, end);
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') {
      return std::string(entry.substr(name.size() + 1));
    }
    environ.remove_prefix(std::min(end + 1, environ.size()));
  }
  return std::nullopt;
}

std::string NotPreloaded(const std::string& environ, const std::optional<Executable>& executable) {
  const std::string preload = Variable(environ, "LD_PRELOAD").value_or("");
  if (preload.find("libpqleash.so") == std::string::npos) {
    return "libpqleash.so was not preloaded into it: restart it with `pqleash run -- COMMAND`";
  }
  constexpr std::string_view kNamed = "LD_PRELOAD names libpqleash.so, but it is not loaded: ";
  if (executable && executable->interpreter.empty()) {
    return fmt::format("{}the program is statically linked, and cannot be preloaded into", kNamed);
  }
  if (executable && executable->interpreter.find("musl") != std::string::npos) {
    return fmt::format("{}the program uses musl, and the library was built for glibc", kNamed);
  }
  if (executable && executable->privileged) {
    return fmt::format("{}the program is set-user-ID or set-group-ID, and is left alone", kNamed);
  }
  return fmt::format(
      "{}the dynamic linker could not open it, or took the program for a privileged one; look at "
      "the "
      "first lines that it wrote to stderr",
      kNamed);
}

// Whether the content of /proc/PID/status names a filter of system calls.
bool IsFiltered(std::string_view status) {
  return status.find("\nSeccomp:\t2") != std::string_view::npos;
}

std::string NotConnected(const std::string& environ, bool filtered) {
  if (const auto dir = Variable(environ, "PQLEASH_DIR")) {
    return fmt::format(
        "it has loaded libpq and has not connected yet; or it has, and its ledger is in {} "
        "(PQLEASH_DIR of its environment): look there with --dir",
        *dir);
  }
  if (filtered) {
    return "it has loaded libpq and has not connected yet; or it had put a filter of system calls "
           "(seccomp) around itself by then, inside of which the library stays out";
  }
  return "it has loaded libpq and has not connected yet";
}

std::string Reason(const std::string& process) {
  const auto maps = ReadProcFile(process + "/maps", kMaxMaps);
  if (!maps) {
    // The file of a process of another user opens, and then cannot be read.
    return "this user may not look at it: run pqleash as its user, or as root";
  }
  if (maps->empty()) return "it has no memory: it has just ended, or belongs to the kernel";
  const std::string environ = ReadProcFile(process + "/environ").value_or("");
  const MappedFiles mapped = ParseMaps(*maps);
  const auto executable = ReadExecutable(process + "/exe");
  if (!mapped.library) return NotPreloaded(environ, executable);
  if (const auto disable = Variable(environ, "PQLEASH_DISABLE"); disable == "1") {
    return "PQLEASH_DISABLE=1 is in its environment: the library does nothing there";
  }
  if (!mapped.libpq.empty()) {
    return NotConnected(environ, IsFiltered(ReadProcFile(process + "/status").value_or("")));
  }
  if (executable && executable->contains_libpq) {
    return "libpq is statically linked into its executable, where a preloaded library does not see "
           "it: "
           "link it with the shared libpq";
  }
  return "it has not loaded libpq yet";
}

}  // namespace

std::string WhyNoLedger(int32_t pid, const std::string& proc) {
  const std::string process = fmt::format("{}/{}", proc, pid);
  if (access(process.c_str(), F_OK) != 0) {
    return fmt::format("process {} has no ledger: there is no such process", pid);
  }
  return fmt::format("process {} has no ledger: {}", pid, Reason(process));
}

}  // namespace pqleash::reporter
