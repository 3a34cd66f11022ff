// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_DOCTOR_PROGRAM_H_
#define PQLEASH_REPORTER_DOCTOR_PROGRAM_H_

#include <optional>
#include <string>
#include <vector>

#include "reporter/doctor/check.h"
#include "reporter/doctor/elf_file.h"
#include "reporter/snapshot/snapshot.h"

namespace pqleash::reporter {

// Where line numbers of a file come from.
enum class LineNumbers { kNone, kOwn, kSeparate, kOnDemand };

// A file that stacks lead through.
struct Symbols {
  bool unwind_tables = false;
  LineNumbers lines = LineNumbers::kNone;
  std::string build_id;
};

// A program that is to be watched, or is running.
struct Program {
  std::string name;    // as it was given
  std::string path;    // of the file that runs: for a script its interpreter; empty: not found
  std::string script;  // empty: it is none
  bool elf = false;
  std::string loader;           // dynamic linker; empty: statically linked
  bool privileged = false;      // set-user-ID or set-group-ID
  bool capabilities = false;    // of the file
  bool contains_libpq = false;  // statically linked into it
  bool needs_libpq = false;     // by itself
  std::optional<Language> language;
  Symbols symbols;
};

// Follows PATH and '#!'.
Program LookAtCommand(const std::string& name);

// `path`: an ELF file; `name`: how to call it.
Program LookAtProgram(const std::string& name, const std::string& path);

// No value: not an ELF file that can be read.
std::optional<Symbols> LookAtSymbols(const std::string& path);

// Why nothing can be preloaded into the program, or its libpq not be seen; empty: nothing is in the
// way. Pure.
std::string Obstacle(const Program& program);

// Pure.
std::vector<Check> Judge(const Program& program);

// Of a copy of libpq. Pure.
std::vector<Check> JudgeLibpqSymbols(const std::string& path, const Symbols& symbols);

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_DOCTOR_PROGRAM_H_
