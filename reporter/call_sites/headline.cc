// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/headline.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "reporter/call_sites/application_frame.h"
#include "reporter/call_sites/call_site_group.h"
#include "reporter/call_sites/library_paths.h"

namespace pqleash::reporter {
namespace {

constexpr size_t kShort = 60;

bool IsScript(const SourceFrame& frame) { return frame.language != Language::kNative; }

// What runs the tasks of an event loop, one step at a time: whoever started the loop is further out
// in the stack, and has nothing to do with the step.
bool RunsTasks(const SourceFrame& frame) {
  if (frame.language != Language::kPython) return false;
  const std::string_view file = frame.file;
  for (const std::string_view loop : {"/asyncio/events.py", "/asyncio/base_events.py",
                                      "/asyncio/runners.py", "/trio/_core/_run.py"}) {
    if (file.ends_with(loop)) return true;
  }
  return false;
}

// Where a thread of Python begins.
bool StartsThread(const SourceFrame& frame) {
  return frame.language == Language::kPython && frame.file.ends_with("/threading.py");
}

// What pip, gem and Debian write for a package into a directory of programs: it calls the package.
bool IsLauncher(const SourceFrame& frame) {
  const std::string_view file = frame.file;
  const size_t slash = file.rfind('/');
  if (slash == std::string_view::npos || file.find('.', slash) != std::string_view::npos)
    return false;
  const std::string_view function = frame.function;
  return file.substr(0, slash).ends_with("/bin") &&
         (function == "<module>" || function == "<main>" || function == "<top (required)>" ||
          function == "(main)" || function == "{main}");
}

// A frame of a script.
struct Step {
  size_t frame = 0;  // index
  ScriptOrigin origin = ScriptOrigin::kStandard;
};

std::vector<Step> StepsOf(const std::vector<SourceFrame>& frames,
                          const std::vector<std::string>& library_paths) {
  std::vector<Step> steps;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (!IsScript(frames[i])) continue;
    steps.push_back({i, OriginOfScript(frames[i].language, frames[i].file, library_paths)});
  }
  return steps;
}

// The innermost frame of a file of the application's, within the step of a task. The most frequent
// case, and nothing further out is looked at for it.
std::optional<size_t> OwnFile(const std::vector<SourceFrame>& frames,
                              const std::vector<std::string>& library_paths) {
  bool inside = false;  // of a step that has begun
  for (size_t i = 0; i < frames.size(); ++i) {
    const SourceFrame& frame = frames[i];
    if (!IsScript(frame)) continue;
    if (inside && RunsTasks(frame)) return std::nullopt;
    inside = true;
    if (OriginOfScript(frame.language, frame.file, library_paths) != ScriptOrigin::kOwn) continue;
    const bool outermost =
        std::none_of(frames.begin() + static_cast<std::ptrdiff_t>(i) + 1, frames.end(), IsScript);
    if (!outermost || !IsLauncher(frame)) return i;
  }
  return std::nullopt;
}

// Where nothing of a step is the application's file, the application may be installed like any
// package: the innermost that does more than stand between. nullopt: none does.
std::optional<size_t> InstalledApplication(const std::vector<SourceFrame>& frames,
                                           std::span<const Step> step) {
  for (const Step& one : step) {
    const SourceFrame& frame = frames[one.frame];
    if (one.origin != ScriptOrigin::kPackage) continue;
    const std::string package = PackageOfScript(frame.language, frame.file);
    if (!package.empty() && !IsGoBetween(frame.language, package)) return one.frame;
  }
  return std::nullopt;
}

// Nothing but drivers, pools and ORMs: where they were entered. That is the worker of a pool that
// connects in a thread or task of its own.
void NameLibrary(const std::vector<SourceFrame>& frames, std::span<const Step> step, bool in_loop,
                 Headline* headline) {
  auto outermost = step.rend();
  for (const ScriptOrigin origin : {ScriptOrigin::kPackage, ScriptOrigin::kShunned}) {
    if (outermost != step.rend()) break;
    outermost = std::find_if(step.rbegin(), step.rend(),
                             [&](const Step& one) { return one.origin == origin; });
  }
  if (outermost == step.rend()) return;
  const SourceFrame& frame = frames[outermost->frame];
  headline->frame = outermost->frame;
  headline->package = PackageOfScript(frame.language, frame.file);
  headline->of = in_loop                                   ? Headline::Of::kTask
                 : StartsThread(frames[step.back().frame]) ? Headline::Of::kThread
                                                           : Headline::Of::kLibrary;
}

Headline NameScript(const std::vector<SourceFrame>& frames, const std::vector<size_t>& own,
                    const std::vector<std::string>& library_paths) {
  const std::vector<Step> steps = StepsOf(frames, library_paths);
  const auto loop = std::find_if(steps.begin(), steps.end(),
                                 [&](const Step& one) { return RunsTasks(frames[one.frame]); });
  // A step of a task; without a loop all of the stack.
  const bool in_loop = loop != steps.begin() && loop != steps.end();
  const std::span<const Step> step(steps.begin(), in_loop ? loop : steps.end());
  const auto is_launcher = [&](size_t i) {
    return i == steps.back().frame && IsLauncher(frames[i]);
  };
  Headline headline;
  headline.frame = steps.front().frame;
  std::optional<size_t> launcher;
  for (const size_t i : own) {
    if (is_launcher(i)) {
      launcher = i;
    } else if (i <= step.back().frame) {
      headline.frame = i;
      return headline;
    } else if (!headline.caller) {
      headline.caller = i;
    }
  }
  headline.of = Headline::Of::kLibrary;
  if (const auto installed = InstalledApplication(frames, step)) {
    headline.frame = *installed;
  } else if (launcher && !in_loop) {
    headline.frame = *launcher;
    headline.of = Headline::Of::kApplication;
  } else {
    NameLibrary(frames, step, in_loop, &headline);
  }
  return headline;
}

// Code of a library's headers is in the program's own module: std::make_unique, a driver's
// constructor.
size_t NameNative(const std::vector<SourceFrame>& frames, const std::vector<size_t>& own) {
  if (!own.empty()) return own.front();
  const auto in_own_module =
      std::find_if(frames.begin(), frames.end(), [](const SourceFrame& frame) {
        const bool named = !frame.module.empty() || !frame.function.empty();
        return named && !IsLibraryModule(frame.module) && !IsGlueOfGo(frame);
      });
  return in_own_module == frames.end() ? 0 : static_cast<size_t>(in_own_module - frames.begin());
}

}  // namespace

std::optional<Headline> HeadlineOf(const std::vector<SourceFrame>& frames,
                                   const std::vector<std::string>& library_paths) {
  if (frames.empty()) return std::nullopt;
  Headline headline;
  if (std::none_of(frames.begin(), frames.end(), IsScript)) {
    const std::vector<size_t> own = OwnFrames(frames, library_paths);
    headline.frame = NameNative(frames, own);
    if (own.empty()) headline.of = Headline::Of::kLibrary;
    return headline;
  }
  if (const auto own = OwnFile(frames, library_paths)) {
    headline.frame = *own;
    return headline;
  }
  return NameScript(frames, OwnFrames(frames, library_paths), library_paths);
}

const SourceFrame* HeadlineFrame(const std::vector<SourceFrame>& frames,
                                 const std::vector<std::string>& library_paths) {
  const std::optional<Headline> headline = HeadlineOf(frames, library_paths);
  return headline ? &frames[headline->frame] : nullptr;
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
  if (frame.module.empty() && frame.offset == 0) return {};
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
  const std::string place = DescribePlace(*frame);
  if (frame->file.empty())
    return place.empty() ? function : fmt::format("{} ({})", function, place);
  const std::string line = frame->line == 0 ? "" : fmt::format(":{}", frame->line);
  return fmt::format("{} ({}{})", function, frame->file, line);
}

}  // namespace pqleash::reporter
