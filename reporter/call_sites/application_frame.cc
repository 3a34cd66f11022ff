// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/application_frame.h"

#include <algorithm>

#include "reporter/call_sites/library_paths.h"

namespace pqleash::reporter {

bool IsSystemPath(std::string_view path) {
  for (const std::string_view directory :
       {"/usr/lib/", "/usr/lib64/", "/usr/libexec/", "/usr/bin/", "/usr/share/", "/usr/include/",
        "/lib/", "/lib64/", "/bin/"}) {
    if (path.starts_with(directory)) return true;
  }
  return false;
}

bool IsGlueOfGo(const SourceFrame& frame) {
  if (frame.language != Language::kNative) return false;
  const std::string_view function = frame.function;
  const bool of_c =
      function.starts_with("_cgo_") && function.find("_Cfunc_") != std::string_view::npos;
  return of_c || function.find("._Cfunc_") != std::string_view::npos ||
         function.starts_with("runtime.asmcgocall") || function == "runtime.cgocall" ||
         function == "runtime.main" || function == "runtime.goexit";
}

bool IsOfLibrarySource(const SourceFrame& frame) {
  return IsSystemPath(frame.file) || frame.file.find("/pkg/mod/") != std::string::npos;
}

std::vector<const SourceFrame*> ApplicationFrames(const std::vector<SourceFrame>& frames,
                                                  const std::vector<std::string>& library_paths) {
  const bool of_script = std::any_of(frames.begin(), frames.end(), [](const SourceFrame& frame) {
    return frame.language != Language::kNative;
  });
  std::vector<const SourceFrame*> of_kind;
  std::vector<const SourceFrame*> own;
  for (const SourceFrame& frame : frames) {
    if ((frame.language != Language::kNative) != of_script) continue;
    of_kind.push_back(&frame);
    const bool foreign =
        of_script ? IsLibraryScript(frame.language, frame.file, library_paths)
                  : IsSystemPath(frame.module) || IsOfLibrarySource(frame) || IsGlueOfGo(frame);
    if (!foreign) own.push_back(&frame);
  }
  return own.empty() ? of_kind : own;
}

}  // namespace pqleash::reporter
