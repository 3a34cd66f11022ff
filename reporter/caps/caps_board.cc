// SPDX-License-Identifier: Apache-2.0

#include "reporter/caps/caps_board.h"

#include <fcntl.h>
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

#include "reporter/snapshot/ledger_directory.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/exit_code.h"
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

Said ChangeAs(uid_t owner, const std::string& directory, bool create,
              const std::function<Said(caps::Board*)>& change) {
  std::optional<LedgerError> error;
  const int fd = OpenLedgerDirectory(directory, &error);
  if (fd < 0) {
    return Failed(error ? error->sentence : fmt::format("ledger directory {} is gone", directory));
  }
  caps::Board board;
  char problem[256] = "";
  const bool open = caps::OpenSharedBoard(fd, owner, caps::ThisPlace(), create, &board, problem);
  close(fd);
  if (open) return change(&board);
  return Failed(fmt::format("the board in {} cannot be changed: {}", directory, problem));
}

// For good: no saved id is left to come back with.
bool Become(const struct stat& owner) {
  return setgroups(0, nullptr) == 0 && setresgid(owner.st_gid, owner.st_gid, owner.st_gid) == 0 &&
         setresuid(owner.st_uid, owner.st_uid, owner.st_uid) == 0;
}

// Through a pipe: the exit code, then result and problem with a NUL between them.
void Send(int fd, const Said& said) {
  std::string bytes(1, static_cast<char>(said.exit_code));
  bytes += said.result + '\0' + said.problem;
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t written = write(fd, bytes.data() + at, bytes.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    at += static_cast<size_t>(written);
  }
}

std::optional<Said> Receive(int fd) {
  std::string bytes;
  char piece[4096];
  for (;;) {
    const ssize_t size = read(fd, piece, sizeof piece);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    bytes.append(piece, static_cast<size_t>(size));
  }
  const size_t end = bytes.find('\0', 1);
  if (end == std::string::npos) return std::nullopt;
  return Said{bytes[0], bytes.substr(1, end - 1), bytes.substr(end + 1)};
}

Said InChild(const struct stat& owner, const std::function<Said()>& work) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Failed(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  }
  std::cout.flush();
  const pid_t child = fork();
  if (child < 0) {
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    return Failed(fmt::format("cannot fork: {}", std::strerror(error)));
  }
  if (child == 0) {
    try {
      Send(ends[1], Become(owner) ? work()
                                  : Failed(fmt::format("cannot become user {}: {}", owner.st_uid,
                                                       std::strerror(errno))));
    } catch (const std::exception& error) {
      Send(ends[1], Failed(error.what()));
    }
    _exit(0);
  }
  close(ends[1]);
  const std::optional<Said> said = Receive(ends[0]);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    return Failed(
        fmt::format("the change of user {}'s board ended with signal {}: the board is damaged",
                    owner.st_uid, WTERMSIG(status)));
  }
  return said ? *said : Failed(fmt::format("the change of user {}'s board failed", owner.st_uid));
}

}  // namespace

Said Done(std::string result) { return {kFine, std::move(result), ""}; }
Said Failed(std::string problem) { return {kFailed, "", std::move(problem)}; }

CollectedBoards CollectBoards(const std::string& directory) {
  CollectedBoards collected;
  collected.directories = LedgerDirectories(directory, ReadingUid());
  BoardListing listing = ReadSharedBoards(collected.directories);
  const caps::BoardPlace here = caps::ThisPlace();
  for (SharedBoard& board : listing.boards) {
    if (here.pid_namespace != 0 && board.name.place.pid_namespace == here.pid_namespace)
      MarkEnded(&board.snapshot);
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

Said WithBoard(const std::string& directory, bool create,
               const std::function<Said(caps::Board*)>& change) {
  struct stat owner;
  if (stat(directory.c_str(), &owner) != 0) {
    return Failed(
        fmt::format("ledger directory {} cannot be used: {}; a service that runs under "
                    "pqleash makes it at its first connect",
                    directory, std::strerror(errno)));
  }
  const auto work = [&] { return ChangeAs(owner.st_uid, directory, create, change); };
  return geteuid() == 0 && owner.st_uid != 0 ? InChild(owner, work) : work();
}

}  // namespace pqleash::reporter
