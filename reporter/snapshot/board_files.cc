// SPDX-License-Identifier: Apache-2.0

#include "reporter/snapshot/board_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <utility>
#include <variant>

#include "reporter/snapshot/board_reader.h"
#include "reporter/snapshot/ledger_directory.h"
#include "reporter/snapshot/ledger_file.h"

namespace pqleash::reporter {
namespace {

using Kind = LedgerError::Kind;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

LedgerError Error(Kind kind, const std::string& path, const std::string& what) {
  return {kind, fmt::format("board {} {}", path, what)};
}

// Why a file is not taken for a board; no value: it is.
std::optional<LedgerError> Check(const struct stat& status, uid_t owner, const std::string& path) {
  if (!S_ISREG(status.st_mode) || status.st_uid != owner || (status.st_mode & 077) != 0) {
    return Error(Kind::kDamaged, path,
                 fmt::format("is no regular file of user {} with mode 600: somebody else made it, "
                             "and it is not looked into; remove it",
                             owner));
  }
  if (static_cast<uint64_t>(status.st_size) > kMaxBoardBytes) {
    return Error(Kind::kTooLarge, path,
                 fmt::format("has {} bytes, and at most {} are read: it was not written by the "
                             "library of this version",
                             status.st_size, kMaxBoardBytes));
  }
  return std::nullopt;
}

// Up to `size` bytes: fewer where the file got shorter.
std::vector<std::byte> ReadBytes(int fd, size_t size) {
  std::vector<std::byte> bytes(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd, bytes.data() + done, size - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

BoardResult ReadBoardFile(int directory, const std::string& name, uid_t owner,
                          const std::string& path) {
  constexpr int kTries = 4;
  constexpr useconds_t kPause = 5'000;  // microseconds
  const Descriptor file(
      openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT) return Error(Kind::kMissing, path, "does not exist any more");
    if (errno == EACCES || errno == EPERM) {
      return Error(Kind::kNoPermission, path,
                   "may not be read by this user: run pqleash as its owner, or as root");
    }
    return Error(Kind::kReadFailed, path, fmt::format("cannot be opened: {}", strerror(errno)));
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0) {
    return Error(Kind::kReadFailed, path, fmt::format("cannot be examined: {}", strerror(errno)));
  }
  if (auto error = Check(status, owner, path)) return *std::move(error);
  for (int tries = 1;; ++tries) {
    BoardResult result =
        ReadBoard(ReadBytes(file.get(), static_cast<size_t>(status.st_size)), path);
    const auto* board = std::get_if<BoardSnapshot>(&result);
    if (board == nullptr || board->warnings.empty() || tries == kTries) return result;
    usleep(kPause);
  }
}

// The bytes of the board in a ledger; no value: it cannot be read, or the process has made no
// board.
std::optional<std::vector<std::byte>> BoardBytesOfLedger(const std::string& path) {
  LedgerFile file(path);
  ledger::Header header;
  if (file.Open(AT_FDCWD, path) || file.ReadHeader(&header)) return std::nullopt;
  const ledger::Section& section = header.sections[ledger::kBoard];
  char magic[sizeof(caps::kBoardMagic)] = {};
  if (section.capacity < sizeof(caps::BoardHeader) ||
      file.Read(section.offset, sizeof magic, magic) ||
      std::memcmp(magic, caps::kBoardMagic, sizeof magic) != 0) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(section.capacity);
  if (file.Read(section.offset, bytes.size(), bytes.data())) return std::nullopt;
  return bytes;
}

}  // namespace

std::optional<BoardName> ParseBoardName(std::string_view name) {
  BoardName parsed;
  const bool known =
      caps::ParseBoardName(std::string(name).c_str(), &parsed.version, &parsed.place);
  return known ? std::optional(parsed) : std::nullopt;
}

BoardListing ReadSharedBoards(const std::vector<std::string>& directories) {
  BoardListing listing;
  for (const std::string& directory : directories) {
    std::optional<LedgerError> problem;
    const Descriptor opened(OpenLedgerDirectory(directory, &problem));
    if (problem) listing.problems.push_back(*std::move(problem));
    struct stat status;
    if (opened.get() < 0 || fstat(opened.get(), &status) != 0) continue;
    for (const std::string& name : NamesInDirectory(opened.get())) {
      const std::optional<BoardName> parsed = ParseBoardName(name);
      if (!parsed) continue;
      const std::string path = fmt::format("{}/{}", directory, name);
      BoardResult result = ReadBoardFile(opened.get(), name, status.st_uid, path);
      if (auto* error = std::get_if<LedgerError>(&result)) {
        if (error->kind != Kind::kMissing) listing.problems.push_back(std::move(*error));
        continue;
      }
      listing.boards.push_back(
          {directory, path, status.st_uid, *parsed, std::get<BoardSnapshot>(std::move(result))});
    }
  }
  return listing;
}

std::optional<BoardSnapshot> ReadLedgerBoard(const std::string& path) {
  const std::optional<std::vector<std::byte>> bytes = BoardBytesOfLedger(path);
  if (!bytes) return std::nullopt;
  BoardResult result = ReadBoard(*bytes, path);
  auto* board = std::get_if<BoardSnapshot>(&result);
  return board != nullptr ? std::optional(std::move(*board)) : std::nullopt;
}

}  // namespace pqleash::reporter
