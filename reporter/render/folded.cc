// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/folded.h"

#include <map>
#include <string>

#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

std::string Folded(std::string name) {
  for (char& byte : name) {
    if (byte == ';') byte = ':';
    if (byte == ' ') byte = '_';
  }
  return name.empty() ? "?" : name;
}

}  // namespace

void RenderFolded(const Report& report, const ExportOptions& options, std::ostream& out) {
  // Two call sites may differ in nothing that is shown: their lines are one.
  std::map<std::string, uint64_t> lines;
  for (const OpenStack& stack : OpenStacks(report)) {
    std::string line = Folded(Escape(stack.service));
    const auto frames = ShownFrames(stack.site->frames, options);
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
      line += ';' + Folded(FlameName(**frame));
    }
    if (frames.empty()) line += ";[no_stack_recorded]";
    lines[line] += stack.open;
  }
  for (const auto& [line, open] : lines) out << line << ' ' << open << '\n';
}

}  // namespace pqleash::reporter
