// SPDX-License-Identifier: Apache-2.0

#include "reporter/call_sites/library_paths.h"

#include <fnmatch.h>

#include <algorithm>

namespace pqleash::reporter {
namespace {

struct LibraryPath {
  Language language;
  const char* glob;
};

// '*' matches '/' too. '<string>' (python -c) and '(eval 1)' are the application's own.
constexpr LibraryPath kLibraryPaths[] = {
    {Language::kPython, "*/lib/python3/*"},
    {Language::kPython, "*/lib/python3.[0-9]*/*"},
    {Language::kPython, "*/lib64/python3.[0-9]*/*"},
    {Language::kPython, "*/python3[0-9]*.zip/*"},  // zipped standard library
    {Language::kPython, "*/site-packages/*"},
    {Language::kPython, "*/dist-packages/*"},
    {Language::kPython, "<frozen *>"},
    {Language::kRuby, "*/lib/ruby/*"},
    {Language::kRuby, "*/gems/*"},
    {Language::kRuby, "/usr/share/rubygems-integration/*"},
    {Language::kRuby, "<internal:*"},
    {Language::kPhp, "*/vendor/*"},
    {Language::kPerl, "*/perl5/*"},
    {Language::kPerl, "/usr/share/perl/*"},
    {Language::kPerl, "/usr/lib/*/perl/*"},
    {Language::kPerl, "/usr/lib/*/perl-base/*"},
};

bool Matches(const char* glob, const std::string& file) {
  return fnmatch(glob, file.c_str(), 0) == 0;
}

}  // namespace

bool IsLibraryScript(Language language, const std::string& file,
                     const std::vector<std::string>& more) {
  if (file.empty()) return true;
  for (const LibraryPath& path : kLibraryPaths) {
    if (path.language == language && Matches(path.glob, file)) return true;
  }
  return std::any_of(more.begin(), more.end(),
                     [&](const std::string& glob) { return Matches(glob.c_str(), file); });
}

}  // namespace pqleash::reporter
