// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/preload.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

constexpr char kLibrary[] = "libpqleash.so";

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::string PreloadValue(const std::string& library, std::string_view existing) {
  std::string value = library;
  while (!existing.empty()) {
    const size_t end = std::min(existing.find_first_of(": "), existing.size());
    const std::string_view entry = existing.substr(0, end);
    if (!entry.empty() && entry != library) value.append(":").append(entry);
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

std::optional<std::string> DirectoryProblem(const std::string& directory) {
  const std::string path =
      directory.empty() ? fmt::format("/dev/shm/pqleash-{}", geteuid()) : directory;
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
