// SPDX-License-Identifier: Apache-2.0

#include "reporter/doctor/program.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "reporter/snapshot/executable.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

constexpr int kMaxScripts = 4;         // a script may be interpreted by a script
constexpr size_t kMaxFirstLine = 256;  // as the kernel

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool CanExecute(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

// As execvp finds it; empty: nowhere.
std::string FindInPath(const std::string& name) {
  if (name.find('/') != std::string::npos) return CanExecute(name) ? name : "";
  const char* variable = std::getenv("PATH");
  std::string_view path = variable != nullptr ? variable : "/bin:/usr/bin";
  for (;;) {
    const size_t size = std::min(path.find(':'), path.size());
    const std::string directory(size == 0 ? "." : path.substr(0, size));
    std::string candidate = directory + "/" + name;
    if (CanExecute(candidate)) return candidate;
    if (size == path.size()) return {};
    path.remove_prefix(size + 1);
  }
}

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const size_t size = std::min(line.find_first_of(" \t"), line.size());
    if (size != 0) words.emplace_back(line.substr(0, size));
    line.remove_prefix(size);
  }
  return words;
}

// The program that interprets a script with '#!' in its first line; empty: it is none.
std::string InterpreterOfScript(const std::string& path) {
  const std::string head = ReadProcFile(path, kMaxFirstLine).value_or("");
  if (!head.starts_with("#!")) return {};
  const std::string line = head.substr(2, std::min(head.find('\n'), head.size()) - 2);
  const std::vector<std::string> words = Words(line);
  if (words.empty()) return {};
  if (BaseName(words[0]) != "env") return words[0];
  for (size_t i = 1; i < words.size(); ++i) {
    const bool option = words[i].starts_with('-') || words[i].find('=') != std::string::npos;
    if (!option) return words[i];
  }
  return {};
}

bool NeedsLibpq(const ElfFile& file) {
  return std::any_of(file.needed.begin(), file.needed.end(),
                     [](const std::string& name) { return name.starts_with("libpq."); });
}

Symbols SymbolsOf(const ElfFile& file) {
  Symbols symbols;
  symbols.unwind_tables = file.unwind_tables;
  symbols.build_id = file.build_id;
  const std::string separate = SeparateDebugFile(file.build_id);
  const char* urls = std::getenv("DEBUGINFOD_URLS");
  if (file.line_numbers) {
    symbols.lines = LineNumbers::kOwn;
  } else if (!separate.empty() && access(separate.c_str(), R_OK) == 0) {
    symbols.lines = LineNumbers::kSeparate;
  } else if (!file.build_id.empty() && urls != nullptr && *urls != '\0') {
    symbols.lines = LineNumbers::kOnDemand;
  }
  return symbols;
}

const char* Words(LineNumbers lines) {
  switch (lines) {
    case LineNumbers::kOwn:
      return "in the file itself";
    case LineNumbers::kSeparate:
      return "in a separate debug file";
    case LineNumbers::kOnDemand:
      return "asked for by build id (DEBUGINFOD_URLS)";
    case LineNumbers::kNone:
      break;
  }
  return "none";
}

std::string Linkage(const Program& program) {
  if (program.needs_libpq) return "linked with libpq";
  if (program.language) return "an interpreter: libpq comes in with the driver that it loads";
  return "not linked with libpq itself: something that it loads may be";
}

std::string PathText(const Program& program) {
  if (program.script.empty()) return program.path;
  return fmt::format("{}, which {} interprets", program.script, program.path);
}

Check JudgeUnwindTables(const std::string& what, const std::string& path, bool tables) {
  if (tables) return Ok(what, fmt::format("{} has them", path));
  return Warn(what, fmt::format("{} has none: stacks end there", path),
              "build it with -fasynchronous-unwind-tables, and do not strip .eh_frame");
}

}  // namespace

std::optional<Symbols> LookAtSymbols(const std::string& path) {
  const auto file = ReadElfFile(path);
  if (!file) return std::nullopt;
  return SymbolsOf(*file);
}

Program LookAtProgram(const std::string& name, const std::string& path) {
  Program program;
  program.name = name;
  program.path = path;
  const auto executable = ReadExecutable(path);
  const auto file = ReadElfFile(path);
  if (!executable || !file) return program;
  program.elf = true;
  program.loader = executable->interpreter;
  program.privileged = executable->privileged;
  program.contains_libpq = executable->contains_libpq;
  program.capabilities = getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
  program.needs_libpq = NeedsLibpq(*file);
  // /usr/bin/python3 leads to python3.11; /proc/PID/exe says nothing itself.
  program.language = InterpreterOf(BaseName(path));
  if (!program.language) {
    program.language = InterpreterOf(BaseName(ReadLink(path).value_or("")));
  }
  program.symbols = SymbolsOf(*file);
  return program;
}

Program LookAtCommand(const std::string& name) {
  std::string path = FindInPath(name);
  std::string script;
  for (int i = 0; i < kMaxScripts && !path.empty(); ++i) {
    const std::string interpreter = InterpreterOfScript(path);
    if (interpreter.empty()) break;
    if (script.empty()) script = path;
    path = FindInPath(interpreter);
  }
  Program program = LookAtProgram(name, path);
  program.script = script;
  // Ledgers name a program so.
  std::error_code error;
  const auto canonical = std::filesystem::canonical(path, error);
  if (!error) program.path = canonical.string();
  return program;
}

std::string Obstacle(const Program& program) {
  if (!program.elf) return {};
  if (program.contains_libpq) {
    return "libpq is statically linked into it, where a preloaded library does not see it";
  }
  if (program.loader.empty()) {
    return "it is statically linked: there is no dynamic linker that could preload a library";
  }
  if (program.loader.find("musl") != std::string::npos) {
    return "it uses musl, and the library was built for glibc";
  }
  if (program.privileged) return "it is set-user-ID or set-group-ID, and is left alone";
  if (program.capabilities) return "its file has capabilities, and it is left alone";
  return {};
}

std::vector<Check> Judge(const Program& program) {
  constexpr char kWhat[] = "program";
  if (program.path.empty()) {
    const std::string detail =
        program.script.empty()
            ? fmt::format("{} is not there, or may not be executed", program.name)
            : fmt::format("the interpreter of {} is not there", program.script);
    return {Fail(kWhat, detail, "give a path, or a name that PATH leads to")};
  }
  if (!program.elf) {
    return {Warn(kWhat, fmt::format("{} is no ELF file that can be read", program.path),
                 "look at the program that it starts")};
  }
  const std::string obstacle = Obstacle(program);
  if (!obstacle.empty()) {
    return {Fail(kWhat, fmt::format("{}: {}", PathText(program), obstacle),
                 "run a build of it that is dynamically linked with glibc and the shared libpq, "
                 "without privileges of its file")};
  }
  std::vector<Check> checks = {
      Ok(kWhat, fmt::format("{}: dynamically linked ({}), {}", PathText(program), program.loader,
                            Linkage(program)))};
  // A shell, say: it starts the programs that stacks lead through.
  if (!program.script.empty() && !program.language) return checks;
  checks.push_back(JudgeUnwindTables("unwind tables", program.path, program.symbols.unwind_tables));
  if (program.language) {
    checks.push_back(Ok("line numbers", "of scripts: the interpreter is asked"));
  } else if (program.symbols.lines != LineNumbers::kNone) {
    checks.push_back(
        Ok("line numbers", fmt::format("of {}: {}", program.path, Words(program.symbols.lines))));
  } else {
    checks.push_back(Warn(
        "line numbers",
        fmt::format("{} has none: its frames will be names of functions at best", program.path),
        program.symbols.build_id.empty()
            ? std::string("build it with -g and -Wl,--build-id")
            : fmt::format("build it with -g, install its debug symbols (-dbgsym, "
                          "-debuginfo), or set DEBUGINFOD_URLS; build id {}",
                          program.symbols.build_id)));
  }
  return checks;
}

std::vector<Check> JudgeLibpqSymbols(const std::string& path, const Symbols& symbols) {
  // Stacks begin at the caller of libpq, so that a report is none the worse for their absence.
  std::string lines = fmt::format("of {}: {}", path, Words(symbols.lines));
  if (symbols.lines == LineNumbers::kNone) {
    lines +=
        "; reports do without, for a debugger install libpq5-dbgsym (postgresql-libs-debuginfo)";
  }
  return {JudgeUnwindTables("unwind tables of libpq", path, symbols.unwind_tables),
          Ok("line numbers of libpq", lines)};
}

}  // namespace pqleash::reporter
