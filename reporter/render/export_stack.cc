// SPDX-License-Identifier: Apache-2.0

#include "reporter/render/export_stack.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <utility>

#include "reporter/words/escape.h"

namespace pqleash::reporter {
namespace {

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool IsScript(const SourceFrame& frame) { return frame.language != Language::kNative; }

bool IsOpen(const ReportConnection& connection) {
  return connection.state == ConnectionState::kEstablished ||
         connection.state == ConnectionState::kResetting;
}

}  // namespace

std::vector<const SourceFrame*> ShownFrames(const std::vector<SourceFrame>& frames,
                                            const ExportOptions& options) {
  std::vector<const SourceFrame*> shown;
  bool in_script = false;
  for (const SourceFrame& frame : frames) {
    in_script |= IsScript(frame);
    if (options.native_frames || IsScript(frame) || !in_script) shown.push_back(&frame);
  }
  return shown;
}

std::string FlameName(const SourceFrame& frame) {
  const std::string function = Escape(frame.function);
  if (IsScript(frame)) {
    const std::string file = Escape(BaseName(frame.file));
    if (file.empty()) return function.empty() ? "?" : function;
    return fmt::format("{}:{}", file, function.empty() ? "?" : function);
  }
  if (!function.empty()) return function;
  if (frame.module.empty()) return fmt::format("{:#x}", frame.offset);
  return fmt::format("{}+{:#x}", Escape(BaseName(frame.module)), frame.offset);
}

std::vector<OpenStack> OpenStacks(const Report& report) {
  std::map<std::pair<std::string, size_t>, uint64_t> open;
  for (size_t i = 0; i < report.call_sites.size(); ++i) {
    for (const ReportConnection& connection : report.call_sites[i].connections) {
      if (IsOpen(connection)) ++open[{connection.service, i}];
    }
  }
  std::vector<OpenStack> stacks;
  for (const auto& [key, count] : open) {
    stacks.push_back({&report.call_sites[key.second], key.first, count});
  }
  return stacks;
}

}  // namespace pqleash::reporter
