// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/application_frame.h"

#include <algorithm>

#include "reporter/call_sites/library_paths.h"

namespace pqleash::reporter {
namespace {

bool IsScript(const SourceFrame& frame) { return frame.language != Language::kNative; }

bool HasScript(const std::vector<SourceFrame>& frames) {
  return std::any_of(frames.begin(), frames.end(), IsScript);
}

// The function's name with its namespaces: a template has its result's type in front.
std::string_view QualifiedName(std::string_view function) {
  int depth = 0;
  size_t begin = 0;
  for (size_t at = 0; at < function.size(); ++at) {
    const char c = function[at];
    const bool parameters = c == '(' && depth == 0 && at > begin &&
                            !function.substr(at).starts_with("(anonymous namespace)") &&
                            !function.substr(0, at).ends_with("operator");
    if (parameters) return function.substr(begin, at - begin);
    if (c == '<' || c == '(') ++depth;
    if ((c == '>' || c == ')') && depth > 0) --depth;
    if (c == ' ' && depth == 0) begin = at + 1;
  }
  return function.substr(begin);
}

// Of C++, Rust and Go: '<' begins what Rust calls an implementation of a trait.
bool IsOfLibraryNamespace(std::string_view function) {
  std::string_view name = QualifiedName(function);
  while (name.starts_with('<') || name.starts_with('&')) name.remove_prefix(1);
  for (const std::string_view library :
       {"std::",          "__gnu_cxx::",    "boost::",        "pqxx::",         "soci::",
        "Poco::",         "drogon::orm::",  "tao::pq::",      "core::future::", "core::ops::",
        "core::option::", "core::result::", "alloc::boxed::", "alloc::sync::",  "alloc::vec::",
        "diesel::",       "r2d2::",         "pq_sys::",       "database/sql.",  "runtime."}) {
    if (name.starts_with(library)) return true;
  }
  return false;
}

// `<module>`'s text that multiprocessing hands to its children, which run the program's files.
bool IsStartOfAChild(const SourceFrame& inner) {
  return inner.file.find("/multiprocessing/") != std::string::npos;
}

bool IsOwnNative(const SourceFrame& frame) {
  const bool named = !frame.module.empty() || !frame.function.empty();
  return named && !IsLibraryModule(frame.module) && !IsOfLibrarySource(frame) && !IsGlueOfGo(frame);
}

// Text that was evaluated, as far out as nothing but the language's own library called it.
std::vector<size_t> EvaluatedProgram(const std::vector<SourceFrame>& frames,
                                     const std::vector<std::string>& library_paths) {
  std::vector<size_t> program;
  const SourceFrame* inner = nullptr;  // of the script: what the frame has called
  for (size_t i = 0; i < frames.size(); ++i) {
    const SourceFrame& frame = frames[i];
    if (!IsScript(frame)) continue;
    const ScriptOrigin origin = OriginOfScript(frame.language, frame.file, library_paths);
    if (origin == ScriptOrigin::kPackage || origin == ScriptOrigin::kShunned) program.clear();
    const bool starts_a_child = inner != nullptr && IsStartOfAChild(*inner);
    if (origin == ScriptOrigin::kGenerated && !starts_a_child) program.push_back(i);
    inner = &frame;
  }
  return program;
}

}  // namespace

bool IsSystemPath(std::string_view path) {
  for (const std::string_view directory :
       {"/usr/lib/", "/usr/lib64/", "/usr/libexec/", "/usr/bin/", "/usr/share/", "/usr/include/",
        "/usr/local/include/", "/lib/", "/lib64/", "/bin/"}) {
    if (path.starts_with(directory)) return true;
  }
  return false;
}

bool IsLibraryModule(std::string_view path) {
  if (IsSystemPath(path)) return true;
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (name.find(".so") == std::string_view::npos) return false;  // a program may be called so, too
  for (const std::string_view library :
       {"libpq.so", "libpq-", "libpqxx", "libecpg", "libpgtypes", "libsoci_", "libQt", "libboost_",
        "libPoco", "libgdal", "libdrogon", "libodbc", "psqlodbc", "libstdc++", "libc++", "libc.so",
        "libffi"}) {
    if (name.starts_with(library)) return true;
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
  if (frame.file.empty()) return IsOfLibraryNamespace(frame.function);
  if (IsSystemPath(frame.file)) return true;
  for (const std::string_view part :
       {"/include/c++/", "/c++/v1/", "/vcpkg_installed/", "/vcpkg/buildtrees/", "/.conan/data/",
        "/.conan2/p/", "/_deps/", "/rustc/", "/rustlib/src/", "/registry/src/",
        "/.cargo/git/checkouts/", "/cargo/git/checkouts/", "/pkg/mod/", "/usr/local/go/src/"}) {
    if (frame.file.find(part) != std::string::npos) return true;
  }
  return false;
}

std::vector<size_t> OwnFrames(const std::vector<SourceFrame>& frames,
                              const std::vector<std::string>& library_paths) {
  const bool script = HasScript(frames);
  std::vector<size_t> own;
  for (size_t i = 0; i < frames.size(); ++i) {
    const SourceFrame& frame = frames[i];
    if (IsScript(frame) != script) continue;
    if (script ? OriginOfScript(frame.language, frame.file, library_paths) == ScriptOrigin::kOwn
               : IsOwnNative(frame)) {
      own.push_back(i);
    }
  }
  return own.empty() && script ? EvaluatedProgram(frames, library_paths) : own;
}

std::vector<const SourceFrame*> ApplicationFrames(const std::vector<SourceFrame>& frames,
                                                  const std::vector<std::string>& library_paths) {
  std::vector<const SourceFrame*> result;
  for (const size_t i : OwnFrames(frames, library_paths)) result.push_back(&frames[i]);
  if (!result.empty()) return result;
  const bool script = HasScript(frames);
  for (const SourceFrame& frame : frames) {
    if (IsScript(frame) == script) result.push_back(&frame);
  }
  return result;
}

}  // namespace pqleash::reporter
