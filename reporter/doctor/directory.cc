// SPDX-License-Identifier: Apache-2.0

#include "reporter/doctor/directory.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "reporter/launch/preload.h"
#include "reporter/observe/collect.h"
#include "shim/config/default_directory.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kLittle = 64 * kMiB;  // a few dozen ledgers of the usual size
constexpr uint64_t kNothing = kMiB;

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string Size(uint64_t bytes) {
  return bytes < 1024 * kMiB ? fmt::format("{} MiB", bytes / kMiB)
                             : fmt::format("{} GiB", bytes / (1024 * kMiB));
}

Check JudgeSpace(const LedgerDirectory& directory) {
  constexpr char kWhat[] = "space for ledgers";
  constexpr char kMakeRoom[] =
      "make room on that file system, or set PQLEASH_DIR to a directory on another one";
  if (!directory.free_bytes) {
    return Warn(kWhat, "the file system does not say how much is free", kMakeRoom);
  }
  const std::string detail = fmt::format("{} free", Size(*directory.free_bytes));
  if (*directory.free_bytes < kNothing) return Fail(kWhat, detail, kMakeRoom);
  if (*directory.free_bytes < kLittle) return Warn(kWhat, detail, kMakeRoom);
  return Ok(kWhat, detail);
}

Check JudgeLedgers(const LedgerDirectory& directory) {
  constexpr char kWhat[] = "ledgers";
  std::string detail =
      fmt::format("{} of living processes, {} of dead ones", directory.living, directory.dead);
  if (directory.unreadable.empty()) return Ok(kWhat, detail);
  return Warn(kWhat,
              fmt::format("{}, {} that cannot be read: {}", detail, directory.unreadable.size(),
                          directory.unreadable.front()),
              "`pqleash report --all` names each");
}

}  // namespace

LedgerDirectory LookAtDirectory(const std::string& configured) {
  LedgerDirectory directory;
  directory.path = configured.empty() ? config::FindDefaultDirectory(geteuid()).path : configured;
  directory.notice = DirectoryNotice(configured).value_or("");
  directory.problem = DirectoryProblem(configured).value_or("");
  if (!directory.problem.empty()) return directory;
  directory.exists = access(directory.path.c_str(), F_OK) == 0;
  struct statvfs status;
  const std::string place = directory.exists ? directory.path : ParentOf(directory.path);
  if (statvfs(place.c_str(), &status) == 0) {
    directory.free_bytes = uint64_t{status.f_bavail} * status.f_frsize;
  }
  if (!directory.exists) return directory;
  Selection selection;
  selection.directory = directory.path;
  selection.all = true;
  Collected collected = Collect(selection);
  for (const Snapshot& snapshot : collected.snapshots) {
    ++(MayLive(snapshot.process.life) ? directory.living : directory.dead);
  }
  directory.unreadable = std::move(collected.incomplete);
  return directory;
}

std::vector<Check> Judge(const LedgerDirectory& directory) {
  constexpr char kWhat[] = "ledger directory";
  if (!directory.problem.empty()) {
    return {Fail(kWhat, directory.problem,
                 "correct it, or set PQLEASH_DIR to a directory of this user's, mode 0700")};
  }
  if (!directory.notice.empty()) {
    return {Warn(kWhat, directory.notice, "remove it as root, or set PQLEASH_DIR"),
            JudgeSpace(directory)};
  }
  if (!directory.exists) {
    return {Ok(kWhat, fmt::format("{} is made at the first connect", directory.path)),
            JudgeSpace(directory)};
  }
  return {Ok(kWhat, fmt::format("{}, of this user, mode 0700, no link", directory.path)),
          JudgeSpace(directory), JudgeLedgers(directory)};
}

}  // namespace pqleash::reporter
