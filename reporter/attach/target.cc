// SPDX-License-Identifier: Apache-2.0

#include "reporter/attach/target.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>
#include <string_view>

#include "reporter/attach/thread_places.h"
#include "reporter/reachability/memory_map.h"
#include "reporter/reachability/threads.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

// As MustStayOut of shim/tracker/settings.cc.
constexpr std::string_view kLeftAlone[] = {"pqleash",    "postgres",     "postmaster", "initdb",
                                           "pg_ctl",     "pg_upgrade",   "pg_rewind",  "pg_regress",
                                           "pg_isready", "pg_ctlcluster"};

// The first word behind 'NAME:' in the content of /proc/PID/status.
std::string_view FieldOf(std::string_view status, std::string_view name) {
  const std::string key = fmt::format("\n{}:", name);
  const size_t at = status.find(key);
  if (at == std::string_view::npos) return {};
  std::string_view rest = status.substr(at + key.size());
  rest = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  return rest;
}

int32_t NumberIn(std::string_view text) {
  int32_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void ReadStatus(std::string_view status, TargetFacts* facts) {
  facts->tracer = NumberIn(FieldOf(status, "TracerPid"));
  facts->seccomp = NumberIn(FieldOf(status, "Seccomp"));
  facts->stopped = FieldOf(status, "State").starts_with('T');
  facts->shadow_stack =
      FieldOf(status, "x86_Thread_features").find("shstk") != std::string_view::npos;
}

uint64_t AuxiliaryValue(std::string_view vector, uint64_t type) {
  for (; vector.size() >= 2 * sizeof(uint64_t); vector.remove_prefix(2 * sizeof(uint64_t))) {
    uint64_t entry[2];
    std::memcpy(entry, vector.data(), sizeof entry);
    if (entry[0] == type) return entry[1];
  }
  return 0;
}

// NAME=VALUE, each with its NUL.
bool IsDisabled(std::string_view environment) {
  while (!environment.empty()) {
    const std::string_view variable = environment.substr(0, environment.find('\0'));
    environment.remove_prefix(std::min(variable.size() + 1, environment.size()));
    constexpr std::string_view kName = "PQLEASH_DISABLE=";
    if (!variable.starts_with(kName)) continue;
    const std::string_view value = variable.substr(kName.size());
    return !value.empty() && value != "0";
  }
  return false;
}

void ReadMachine(const std::string& program, uint16_t* machine, bool* is_64_bit) {
  const std::string head = ReadProcFile(program, sizeof(Elf64_Ehdr)).value_or("");
  Elf64_Ehdr header = {};
  if (head.size() < sizeof header || head.compare(0, SELFMAG, ELFMAG) != 0) return;
  std::memcpy(&header, head.data(), sizeof header);
  *machine = header.e_machine;
  if (is_64_bit != nullptr) *is_64_bit = header.e_ident[EI_CLASS] == ELFCLASS64;
}

void ReadMapped(std::string_view maps, TargetFacts* facts) {
  bool libc = false;
  bool linker = false;
  for (const Mapping& mapping : ParseMemoryMap(maps)) {
    const std::string_view name = FileName(mapping.path);
    libc = libc || name == "libc.so.6" || name.starts_with("libc-2.");
    linker = linker || IsDynamicLinker(std::string(name));
    facts->has_musl = facts->has_musl || name.starts_with("ld-musl-");
  }
  facts->has_glibc = libc && linker;
}

}  // namespace

TargetFacts ReadTargetFacts(int32_t pid, const std::string& proc) {
  TargetFacts facts;
  facts.pid = pid;
  const std::string directory = fmt::format("{}/{}", proc, pid);
  const auto status = ReadProcFile(directory + "/status");
  facts.exists = status.has_value();
  if (!facts.exists) return facts;
  ReadStatus(*status, &facts);
  ReadMachine(proc + "/self/exe", &facts.own_machine, nullptr);
  const auto program = ReadLink(directory + "/exe");
  const bool hidden = !program && (errno == EACCES || errno == EPERM);
  facts.has_program = program.has_value() || hidden;
  if (program) facts.program = FileName(*program);
  const auto maps = ReadProcFile(directory + "/maps", kMaxMaps);
  const auto vector = ReadProcFile(directory + "/auxv");
  facts.readable = program && maps && vector;
  if (!facts.readable) {
    facts.why_unreadable = WhyRefused(pid, errno, proc);
    return facts;
  }
  ReadMachine(directory + "/exe", &facts.machine, &facts.is_64_bit);
  facts.secure = AuxiliaryValue(*vector, AT_SECURE) != 0;
  ReadMapped(*maps, &facts);
  facts.disabled = IsDisabled(ReadProcFile(directory + "/environ").value_or(""));
  return facts;
}

std::optional<std::string> WhyNotAttach(const TargetFacts& facts, bool force) {
  const auto sentence = [&](std::string_view rest) {
    const std::string name = facts.program.empty() ? "" : fmt::format(" ({})", facts.program);
    return fmt::format("process {}{} {}", facts.pid, name, rest);
  };
  if (!facts.exists) return fmt::format("there is no process {}", facts.pid);
  if (!facts.has_program) return sentence("runs no program: it has ended, or is the kernel's");
  if (facts.tracer != 0)
    return sentence(fmt::format("is traced by process {} (a debugger, strace): end that one first",
                                facts.tracer));
  if (!facts.readable)
    return sentence(fmt::format("cannot be attached to: {}", facts.why_unreadable));
  if (facts.own_machine != EM_X86_64)
    return sentence(
        "cannot be attached to: on this processor attach has not been tried yet, it is for x86-64; "
        "start the program with `pqleash run` instead");
  if (facts.machine != facts.own_machine || !facts.is_64_bit)
    return sentence(
        "is a program of another architecture than this tool: use the pqleash of its own");
  if (facts.secure)
    return sentence(
        "is a set-user-ID program, or has capabilities of its own: such programs are left alone");
  if (std::find(std::begin(kLeftAlone), std::end(kLeftAlone), facts.program) !=
      std::end(kLeftAlone))
    return sentence("is one of PostgreSQL's own programs or this tool, which are left alone");
  if (facts.disabled)
    return sentence("has PQLEASH_DISABLE in its environment: it wants to be left alone");
  if (facts.has_musl)
    return sentence(
        "is a program of musl (Alpine), whose dynamic linker cannot take the library; glibc is "
        "needed");
  if (!facts.has_glibc)
    return sentence("is statically linked: there is no dynamic linker that could load the library");
  if (facts.shadow_stack)
    return sentence("has a shadow stack, which attach cannot use yet: start it with `pqleash run`");
  if (facts.stopped)
    return sentence(fmt::format("is stopped: let it go on first, with `kill -CONT {}`", facts.pid));
  constexpr int32_t kFilter = 2;
  if (facts.seccomp == kFilter && !force)
    return sentence(
        "has a filter of its system calls (seccomp), which may end it for what attach calls in it: "
        "use --force if the filter allows memfd_create, mmap and the opening of files");
  if (facts.seccomp != 0 && facts.seccomp != kFilter)
    return sentence(
        "is in seccomp's strict mode, which ends it for any call: nothing can be loaded");
  return std::nullopt;
}

}  // namespace pqleash::reporter
