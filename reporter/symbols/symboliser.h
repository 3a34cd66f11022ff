// SPDX-License-Identifier: Apache-2.0

#ifndef PQLEASH_REPORTER_SYMBOLS_SYMBOLISER_H_
#define PQLEASH_REPORTER_SYMBOLS_SYMBOLISER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "reporter/symbols/code_segment.h"
#include "reporter/symbols/module_file.h"
#include "reporter/symbols/source_frame.h"

namespace pqleash::reporter {

class ModuleSymbols;

// Turns return addresses into functions, files and lines with libdw. Files are opened when a frame
// first needs them and kept; each distinct frame is resolved once. A file whose build id is not the
// recorded one is not used. Not thread-safe.
class Symboliser {
 public:
  Symboliser();
  ~Symboliser();
  Symboliser(const Symboliser&) = delete;
  Symboliser& operator=(const Symboliser&) = delete;

  // The frames at return address `offset` (an address of the ELF file), innermost first: functions
  // that were inlined there, then the function itself. Never empty: without a symbol it is one
  // frame with module and offset. The reference is good as long as the symboliser.
  const std::vector<SourceFrame>& Resolve(const ModuleFile& module, uint64_t offset);

  // 'name+0x10', or 'name', of the variable at `address` of the ELF file; empty: not known.
  std::string ObjectAt(const ModuleFile& module, uint64_t address);

  // Of a module that a frame was resolved in, by path and build id; no value: its file was not
  // found.
  std::optional<CodeSegment> CodeOf(const std::string& path, const std::string& build_id) const;

 private:
  ModuleSymbols& SymbolsOf(const ModuleFile& module);

  // Path and build id; for files that only a living process leads to, its pid too.
  using ModuleKey = std::tuple<std::string, std::string, int32_t>;
  static ModuleKey KeyOf(const ModuleFile& module);

  std::map<ModuleKey, std::unique_ptr<ModuleSymbols>> modules_;
  std::map<std::pair<ModuleKey, uint64_t>, std::vector<SourceFrame>> frames_;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SYMBOLS_SYMBOLISER_H_
