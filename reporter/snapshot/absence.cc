// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/absence.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "reporter/snapshot/executable.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/other_client.h"
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

// No value: as far as can be seen, it does not.
std::optional<std::string> SpeaksWithoutLibpq(const OtherClient& client) {
  const std::string by =
      client.drivers.empty() ? "another driver, or by a libpq inside of itself" : client.drivers;
  if (client.connections != 0) {
    return fmt::format(
        "it has {} connection{} to port {}, PostgreSQL's as a rule or by its PGPORT, and has not "
        "loaded libpq: it speaks to the server by {}, which pqleash does not see",
        client.connections, client.connections == 1 ? "" : "s", client.port, by);
  }
  if (client.has_driver) {
    return fmt::format(
        "it has loaded {} and not libpq: that speaks to the server itself, and pqleash does not "
        "see it",
        by);
  }
  return std::nullopt;
}

std::string NotLoadedLibpq(const OtherClient& client) {
  if (client.language.empty()) return "it has not loaded libpq yet, and may never do so";
  return fmt::format(
      "it has not loaded libpq, and is a program of {}: where it speaks to PostgreSQL by {}, libpq "
      "is not used, and pqleash does not see it; where it loads libpq later, it is seen then",
      client.language, client.drivers);
}

// Whether it is this tool, which waits for a program that it has started.
bool IsStarter(const std::string& process) {
  const std::string exe = ReadLink(process + "/exe").value_or("");
  if (exe.substr(exe.rfind('/') + 1) != "pqleash") return false;
  const std::string line = ReadProcFile(process + "/cmdline").value_or("");
  const size_t end = line.find('\0');
  if (end == std::string::npos) return false;
  const std::string_view word(line.c_str() + end + 1);
  return word == "run" || word == "audit";
}

int32_t ParentIn(std::string_view stat) {
  // The name of the program may hold blanks and parentheses; behind it are a state and the parent.
  const size_t name = stat.rfind(") ");
  if (name == std::string_view::npos || stat.size() < name + 4) return 0;
  return static_cast<int32_t>(std::strtol(std::string(stat.substr(name + 4)).c_str(), nullptr, 10));
}

std::string StarterOf(int32_t pid, const std::string& proc) {
  std::string children;
  for (const int32_t each : ListPids(proc)) {
    const std::string directory = fmt::format("{}/{}", proc, each);
    if (ParentIn(ReadProcFile(directory + "/stat").value_or("")) != pid) continue;
    std::string name = ReadProcFile(directory + "/comm").value_or("?");
    if (name.ends_with('\n')) name.pop_back();
    children += fmt::format("{}{} ({})", children.empty() ? "" : ", ", each, name);
  }
  constexpr std::string_view kWhat = "it is pqleash, which waits for the program that it started";
  if (children.empty()) return std::string(kWhat);
  return fmt::format("{}: look at process {}", kWhat, children);
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

std::string Reason(int32_t pid, const std::string& proc) {
  const std::string process = fmt::format("{}/{}", proc, pid);
  const auto maps = ReadProcFile(process + "/maps", kMaxMaps);
  if (!maps) {
    // The file of a process of another user opens, and then cannot be read.
    return "this user may not look at it: run pqleash as its user, or as root";
  }
  if (maps->empty()) return "it has no memory: it has just ended, or belongs to the kernel";
  const std::string environ = ReadProcFile(process + "/environ").value_or("");
  const MappedFiles mapped = ParseMaps(*maps);
  const auto executable = ReadExecutable(process + "/exe");
  if (IsStarter(process)) return StarterOf(pid, proc);
  const bool has_libpq = !mapped.libpq.empty() || (executable && executable->contains_libpq);
  OtherClient other;
  if (!has_libpq) other = LookForOtherClient(process, *maps, environ);
  if (const auto sentence = SpeaksWithoutLibpq(other)) return *sentence;
  if (executable && executable->bits == 32) {
    return "it is a program of 32 bits, and the library was built for 64";
  }
  if (!mapped.library) return NotPreloaded(environ, executable);
  if (const auto disable = Variable(environ, "PQLEASH_DISABLE"); disable == "1") {
    return "PQLEASH_DISABLE=1 is in its environment: the library does nothing there";
  }
  if (maps->find(".ledger (deleted)\n") != std::string::npos) {
    return "its ledger was removed while it runs, by a cleaner or by hand; it writes on into a "
           "file "
           "without a name: restart it, and keep its directory out of the cleaner's way";
  }
  if (!mapped.libpq.empty()) {
    return NotConnected(environ, IsFiltered(ReadProcFile(process + "/status").value_or("")));
  }
  if (executable && executable->contains_libpq) {
    return "libpq is statically linked into its executable, where a preloaded library does not see "
           "it: "
           "link it with the shared libpq";
  }
  return NotLoadedLibpq(other);
}

}  // namespace

std::string WhyNoLedger(int32_t pid, const std::string& proc) {
  const std::string process = fmt::format("{}/{}", proc, pid);
  if (access(process.c_str(), F_OK) != 0) {
    return fmt::format("process {} has no ledger: there is no such process", pid);
  }
  return fmt::format("process {} has no ledger: {}", pid, Reason(pid, proc));
}

}  // namespace pqleash::reporter
