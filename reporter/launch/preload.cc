// SPDX-License-Identifier: Apache-2.0

#include "reporter/launch/preload.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "reporter/snapshot/proc_files.h"
#include "shim/config/default_directory.h"

namespace pqleash::reporter {
namespace {

constexpr char kLibrary[] = "libpqleash.so";

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Both are there, and are the same file.
bool SameFile(const std::string& a, const std::string& b) {
  struct stat first;
  struct stat second;
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// Whether `directory` is one that shim/preload has made for `library`. Somebody else's, in /tmp
// say, is not to be led through.
bool LeadsTo(const std::string& directory, const std::string& library) {
  struct stat status;
  struct stat of_library;
  if (stat(directory.c_str(), &status) != 0 || stat(library.c_str(), &of_library) != 0 ||
      (status.st_uid != of_library.st_uid && status.st_uid != 0)) {
    return false;
  }
  const std::string of_64_bits[] = {"lib64", "lib/" PQLEASH_MULTIARCH};
  return SameFile(fmt::format("{}/{}", directory, kLibrary), library) &&
         std::any_of(std::begin(of_64_bits), std::end(of_64_bits), [&](const std::string& name) {
           return SameFile(fmt::format("{}/{}/{}", directory, name, kLibrary), library);
         });
}

// Empty: there is none.
std::string DirectoryLeadingTo(const std::string& library) {
  constexpr int kLevels = 3;  // /usr/lib/x86_64-linux-gnu/libpqleash.so: /usr/lib/pqleash
  std::string directory = library;
  for (int level = 0; level < kLevels && directory != "/"; ++level) {
    directory = DirectoryOf(directory);
    for (const char* below : {"", "/pqleash", "/lib/pqleash"}) {
      const std::string candidate = directory + below;
      if (LeadsTo(candidate, library)) return candidate;
    }
  }
  return {};
}

}  // namespace

std::string PreloadEntry(const std::string& library) {
  if (const std::string directory = DirectoryLeadingTo(library); !directory.empty()) {
    return fmt::format("{}/$LIB/{}", directory, kLibrary);
  }
  // The directory of the program, and above the root there is the root. Deeper programs are rare,
  // and get a line on stderr.
  constexpr int kDepth = 32;
  std::string entry = "$ORIGIN";
  for (int level = 0; level < kDepth; ++level) entry += "/..";
  return entry + library;
}

std::string PreloadValue(const std::string& library, std::string_view existing) {
  const std::string ours = PreloadEntry(library);
  std::string value = ours;
  while (!existing.empty()) {
    const size_t end = std::min(existing.find_first_of(": "), existing.size());
    const std::string_view entry = existing.substr(0, end);
    const bool same = entry == ours || entry == library || SameFile(std::string(entry), library);
    if (!entry.empty() && !same) value.append(":").append(entry);
    existing.remove_prefix(std::min(end + 1, existing.size()));
  }
  return value;
}

std::vector<std::string> LibraryCandidates(const std::string& executable) {
  const std::string prefix = DirectoryOf(DirectoryOf(executable));
  std::vector<std::string> candidates;
  for (const char* directory : {PQLEASH_LIBDIR, "lib", "lib/" PQLEASH_MULTIARCH, "lib64", "shim"}) {
    std::string path = fmt::format("{}/{}/{}", prefix, directory, kLibrary);
    if (std::find(candidates.begin(), candidates.end(), path) == candidates.end()) {
      candidates.push_back(std::move(path));
    }
  }
  return candidates;
}

std::optional<std::string> FindLibrary() {
  const auto executable = ReadLink("/proc/self/exe");
  if (!executable) return std::nullopt;
  for (const std::string& path : LibraryCandidates(*executable)) {
    if (access(path.c_str(), R_OK) == 0) {
      std::error_code error;
      const auto canonical = std::filesystem::canonical(path, error);
      return error ? path : canonical.string();
    }
  }
  return std::nullopt;
}

std::optional<std::string> LibraryProblem(const std::string& library) {
  struct stat status;
  if (stat(library.c_str(), &status) != 0) {
    return fmt::format("library {} cannot be used: {}", library, std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode) || access(library.c_str(), R_OK) != 0) {
    return fmt::format("library {} cannot be used: expected a file that may be read", library);
  }
  if (library.find_first_of(": $") != std::string::npos) {
    return fmt::format(
        "library {} cannot be used: the dynamic linker takes no blank, ':' or '$' in the "
        "path of a preloaded library; install it elsewhere",
        library);
  }
  return std::nullopt;
}

std::optional<std::string> DirectoryNotice(const std::string& directory) {
  if (!directory.empty()) return std::nullopt;
  const config::DefaultDirectory usual = config::FindDefaultDirectory(geteuid());
  if (usual.taken.empty()) return std::nullopt;
  return fmt::format("ledger directory {} belongs to somebody else: {} is used", usual.taken,
                     usual.path);
}

std::optional<std::string> DirectoryProblem(const std::string& directory) {
  const std::string path =
      directory.empty() ? config::FindDefaultDirectory(geteuid()).path : directory;
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) {
      return fmt::format("ledger directory {} cannot be used: {}", path, std::strerror(errno));
    }
    if (access(DirectoryOf(path).c_str(), W_OK | X_OK) != 0) {
      return fmt::format("ledger directory {} cannot be made: {}", path, std::strerror(errno));
    }
    return std::nullopt;
  }
  if (!S_ISDIR(status.st_mode)) {
    return fmt::format("ledger directory {} cannot be used: it is not a directory", path);
  }
  if (status.st_uid != geteuid()) {
    return fmt::format("ledger directory {} cannot be used: it belongs to user {}, expected {}",
                       path, status.st_uid, geteuid());
  }
  if ((status.st_mode & 07777) != 0700) {
    return fmt::format(
        "ledger directory {} cannot be used: it has mode {:04o}, expected 0700; correct "
        "it with chmod 700",
        path, status.st_mode & 07777);
  }
  return std::nullopt;
}

}  // namespace pqleash::reporter
