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

std::string Symboliser::ObjectAt(const ModuleFile& module, uint64_t address) {
  return SymbolsOf(module).ObjectAt(address);
}

}  // namespace pqleash::reporter
