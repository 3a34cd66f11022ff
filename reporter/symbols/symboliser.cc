// SPDX-License-Identifier: Apache-2.0

#include "reporter/symbols/symboliser.h"

#include <utility>

#include "reporter/symbols/module_symbols.h"

namespace pqleash::reporter {

Symboliser::Symboliser() = default;
Symboliser::~Symboliser() = default;

Symboliser::ModuleKey Symboliser::KeyOf(const ModuleFile& module) {
  // With a build id any file that has it will do, whoever led us there; without, a path means what
  // it means in the process's own mount namespace.
  return {module.path, module.build_id, module.build_id.empty() ? module.live_pid : 0};
}

ModuleSymbols& Symboliser::SymbolsOf(const ModuleFile& module) {
  std::unique_ptr<ModuleSymbols>& symbols = modules_[KeyOf(module)];
  if (!symbols || (!symbols->found() && module.live_pid != 0)) {
    symbols = std::make_unique<ModuleSymbols>(module);
  }
  return *symbols;
}

const std::vector<SourceFrame>& Symboliser::Resolve(const ModuleFile& module, uint64_t offset) {
  auto [at, is_new] = frames_.try_emplace({KeyOf(module), offset});
  std::vector<SourceFrame>& frames = at->second;
  if (!is_new) return frames;
  const ModuleSymbols& symbols = SymbolsOf(module);
  frames = symbols.At(offset);
  if (frames.empty()) frames.emplace_back();
  for (SourceFrame& frame : frames) {
    frame.module = module.path;
    frame.build_id = module.build_id;
    frame.offset = offset;
    if (frame.function.empty()) frame.note = symbols.note();
  }
  return frames;
}

std::optional<CodeSegment> Symboliser::CodeOf(const std::string& path,
                                              const std::string& build_id) const {
  for (auto at = modules_.lower_bound({path, build_id, 0}); at != modules_.end(); ++at) {
    if (std::get<0>(at->first) != path || std::get<1>(at->first) != build_id) break;
    if (const auto code = at->second->Code()) return code;
  }
  return std::nullopt;
}

std::string Symboliser::ObjectAt(const ModuleFile& module, uint64_t address) {
  return SymbolsOf(module).ObjectAt(address);
}

}  // namespace pqleash::reporter
