// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/caps_board.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <iostream>
#include <optional>
#include <utility>

#include "reporter/commands/command.h"
#include "reporter/commands/output.h"
#include "reporter/snapshot/ledger_directory.h"
#include "reporter/snapshot/proc_files.h"
#include "shim/caps/board_file.h"
#include "shim/support/liveness.h"

namespace pqleash::reporter {
namespace {

void MarkEnded(BoardSnapshot* board) {
  for (BoardMember& member : board->members) {
    member.ended = !Running(member.pid) ||
                   !SameProcess({member.start_ticks, member.stack_start}, ReadMarks(member.pid));
  }
}

int ChangeAs(uid_t owner, const std::string& directory, bool create,
             const std::function<int(caps::Board*)>& change) {
  std::optional<LedgerError> error;
  const int fd = OpenLedgerDirectory(directory, &error);
  if (fd < 0) {
    Diagnose(error ? error->sentence : fmt::format("ledger directory {} is gone", directory));
    return kFailed;
  }
  caps::Board board;
  char problem[256] = "";
  const bool open = caps::OpenSharedBoard(fd, owner, OwnPidNamespace(), create, &board, problem);
  close(fd);
  if (open) return change(&board);
  Diagnose(fmt::format("the board in {} cannot be changed: {}", directory, problem));
  return kFailed;
}

// For good: no saved id is left to come back with.
bool Become(const struct stat& owner) {
  return setgroups(0, nullptr) == 0 && setresgid(owner.st_gid, owner.st_gid, owner.st_gid) == 0 &&
         setresuid(owner.st_uid, owner.st_uid, owner.st_uid) == 0;
}

int InChild(const struct stat& owner, const std::function<int()>& work) {
  std::cout.flush();
  const pid_t child = fork();
  if (child < 0) {
    Diagnose(fmt::format("cannot fork: {}", std::strerror(errno)));
    return kFailed;
  }
  if (child == 0) {
    int exit_code = kFailed;
    try {
      if (Become(owner)) {
        exit_code = work();
      } else {
        Diagnose(fmt::format("cannot become user {}: {}", owner.st_uid, std::strerror(errno)));
      }
      std::cout.flush();
    } catch (const std::exception& error) {
      Diagnose(error.what());
    }
    _exit(std::cout ? exit_code : kFailed);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  Diagnose(fmt::format("the change of user {}'s board ended with signal {}: the board is damaged",
                       owner.st_uid, WTERMSIG(status)));
  return kFailed;
}

}  // namespace

uint64_t OwnPidNamespace() {
  return NamespaceInode(ReadLink("/proc/self/ns/pid").value_or("")).value_or(0);
}

CollectedBoards CollectBoards(const std::string& directory) {
  CollectedBoards collected;
  collected.directories = LedgerDirectories(directory, ReadingUid());
  BoardListing listing = ReadSharedBoards(collected.directories);
  const uint64_t own = OwnPidNamespace();
  for (SharedBoard& board : listing.boards) {
    if (own != 0 && board.name.pid_namespace == own) MarkEnded(&board.snapshot);
  }
  collected.boards = std::move(listing.boards);
  for (LedgerError& problem : listing.problems) {
    // What a library of another version has left behind, as after an upgrade, is no failure.
    const bool other = problem.kind == LedgerError::Kind::kOtherVersion;
    (other ? collected.passed_over : collected.incomplete).push_back(std::move(problem.sentence));
  }
  return collected;
}

int DiagnoseMissing(const CollectedBoards& collected) {
  for (const std::string& sentence : collected.incomplete) Diagnose("incomplete: " + sentence);
  for (const std::string& sentence : collected.passed_over) Diagnose("passed over: " + sentence);
  return collected.incomplete.empty() ? kFine : kFailed;
}

int WithBoard(const std::string& directory, bool create,
              const std::function<int(caps::Board*)>& change) {
  struct stat owner;
  if (stat(directory.c_str(), &owner) != 0) {
    Diagnose(
        fmt::format("ledger directory {} cannot be used: {}; a service that runs under "
                    "pqleash makes it at its first connect",
                    directory, std::strerror(errno)));
    return kFailed;
  }
  const auto work = [&] { return ChangeAs(owner.st_uid, directory, create, change); };
  return geteuid() == 0 && owner.st_uid != 0 ? InChild(owner, work) : work();
}

}  // namespace pqleash::reporter
