// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_DOCTOR_ELF_FILE_H_
#define PQLEASH_REPORTER_DOCTOR_ELF_FILE_H_

#include <optional>
#include <string>
#include <vector>

namespace pqleash::reporter {

// What of an ELF file decides how good stacks through it will be.
struct ElfFile {
  bool unwind_tables = false;       // .eh_frame, found through its header
  bool line_numbers = false;        // of its own
  std::string build_id;             // hexadecimal digits; empty: it has none
  std::vector<std::string> needed;  // DT_NEEDED
};

// No value: cannot be read, or is not an ELF file.
std::optional<ElfFile> ReadElfFile(const std::string& path);

// Where the debug information of a file with this build id would be. Empty for an empty id.
std::string SeparateDebugFile(const std::string& build_id,
                              const std::string& root = "/usr/lib/debug");

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_DOCTOR_ELF_FILE_H_
