// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "reporter/call_sites/application_frame.h"
#include "reporter/call_sites/call_site_group.h"
#include "reporter/call_sites/library_paths.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kShort = 60;

bool IsScript(const SourceFrame& frame) { return frame.language != Language::kNative; }

// nullptr: no script.
const SourceFrame* ScriptHeadline(const std::vector<SourceFrame>& frames,
                                  const std::vector<std::string>& library_paths) {
  const auto application =
      std::find_if(frames.begin(), frames.end(), [&](const SourceFrame& frame) {
        return IsScript(frame) && !IsLibraryScript(frame.language, frame.file, library_paths);
      });
  if (application != frames.end()) return &*application;
  const auto script = std::find_if(frames.begin(), frames.end(), IsScript);
  return script != frames.end() ? &*script : nullptr;
}

}  // namespace

const SourceFrame* HeadlineFrame(const std::vector<SourceFrame>& frames,
                                 const std::vector<std::string>& library_paths) {
  if (const SourceFrame* script = ScriptHeadline(frames, library_paths)) return script;
  // Code of a library's headers is in the program's own module: std::make_unique, a driver's
  // constructor.
  for (const bool with_headers : {false, true}) {
    for (const SourceFrame& frame : frames) {
      const bool named = !frame.module.empty() || !frame.function.empty();
      if (!named || IsSystemPath(frame.module) || IsGlueOfGo(frame)) continue;
      if (with_headers || !IsOfLibrarySource(frame)) return &frame;
    }
  }
  return frames.empty() ? nullptr : &frames.front();
}

std::string ShortFunction(const std::string& function, size_t columns) {
  if (function.size() <= columns) return function;
  // The last group in parentheses is that of the parameters; others may belong to '(anonymous
  // namespace)'.
  const size_t end = function.rfind(')');
  if (end == std::string::npos) return function;
  size_t depth = 0;
  for (size_t at = end + 1; at-- > 0;) {
    if (function[at] == ')') ++depth;
    if (function[at] == '(' && --depth == 0) return function.substr(0, at) + "(...)";
  }
  return function;
}

std::string DescribePlace(const SourceFrame& frame) {
  if (frame.module.empty()) return fmt::format("address {:#x}", frame.offset);
  return fmt::format("{}+{:#x}", frame.module, frame.offset);
}

std::string DescribeFrame(const SourceFrame* frame) {
  if (frame == nullptr) return {};
  if (frame->function.empty() && frame->file.empty() && !IsScript(*frame)) {
    return DescribePlace(*frame);
  }
  const std::string function =
      frame->function.empty() ? "?" : ShortFunction(frame->function, kShort);
  if (frame->file.empty() && IsScript(*frame)) return function;
  if (frame->file.empty()) return fmt::format("{} ({})", function, DescribePlace(*frame));
  const std::string line = frame->line == 0 ? "" : fmt::format(":{}", frame->line);
  return fmt::format("{} ({}{})", function, frame->file, line);
}

}  // namespace pqleash::reporter
