// SPDX-License-Identifier: Apache-2.0

#include "tests/caps/board_view.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "shim/ledger/layout.h"

namespace pqleash::testing {

namespace {

bool IsBoard(const unsigned char* bytes, size_t size) {
  if (size < sizeof(caps::BoardHeader)) return false;
  const auto* header = reinterpret_cast<const caps::BoardHeader*>(bytes);
  return memcmp(header->core.magic, caps::kBoardMagic, sizeof(header->core.magic)) == 0 &&
         header->core.version == caps::kBoardVersion && header->core.size <= size;
}

// Where the board begins in a file that is one, or that is the ledger of a living process.
const unsigned char* BoardIn(const unsigned char* bytes, size_t size) {
  if (IsBoard(bytes, size)) return bytes;
  if (size < sizeof(ledger::Header)) return nullptr;
  const auto* header = reinterpret_cast<const ledger::Header*>(bytes);
  if (memcmp(header->magic, ledger::kMagic, sizeof(header->magic)) != 0 ||
      header->version != ledger::kVersion || kill(header->pid, 0) != 0) {
    return nullptr;
  }
  const ledger::Section& section = header->sections[ledger::kBoard];
  if (section.offset == 0 || section.offset >= size) return nullptr;
  const unsigned char* board = bytes + section.offset;
  return IsBoard(board, size - section.offset) ? board : nullptr;
}

std::vector<std::string> FilesIn(const std::string& directory, const std::string& suffix) {
  std::vector<std::string> files;
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(directory, ignored)) {
    if (file.path().string().ends_with(suffix)) files.push_back(file.path());
  }
  return files;
}

}  // namespace

MappedBoard::MappedBoard(void* memory, size_t size, const unsigned char* board)
    : memory_(memory),
      size_(size),
      header_(reinterpret_cast<const caps::BoardHeader*>(board)),
      records_(reinterpret_cast<const caps::Record*>(board + header_->core.shape.records_offset)),
      entries_(reinterpret_cast<const caps::Entry*>(board + header_->entries_offset)) {}

MappedBoard::~MappedBoard() { munmap(memory_, size_); }

std::unique_ptr<MappedBoard> MappedBoard::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  struct stat status = {};
  void* memory = MAP_FAILED;
  if (fstat(fd, &status) == 0 && status.st_size > 0)
    memory = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (memory == MAP_FAILED) return nullptr;
  const auto size = static_cast<size_t>(status.st_size);
  const unsigned char* board = BoardIn(static_cast<const unsigned char*>(memory), size);
  if (board == nullptr) {
    munmap(memory, size);
    return nullptr;
  }
  return std::unique_ptr<MappedBoard>(new MappedBoard(memory, size, board));
}

const caps::Record* MappedBoard::Find(const std::string& name) const {
  for (uint32_t i = 0; i < caps::kMaxPolicies; ++i) {
    if (records_[i].origin != caps::kFromNobody && name == records_[i].filed.name)
      return &records_[i];
  }
  return nullptr;
}

uint32_t MappedBoard::entries_used() const {
  return std::min(__atomic_load_n(&header_->entries_used, __ATOMIC_ACQUIRE),
                  header_->entry_capacity);
}

std::string SharedBoardIn(const std::string& directory) {
  const auto files = FilesIn(directory, ".board");
  return files.empty() ? "" : files.front();
}

PolicyState StateOf(const std::string& directory, const std::string& policy) {
  PolicyState state;
  auto files = FilesIn(directory, ".board");
  const auto ledgers = FilesIn(directory, ".ledger");
  files.insert(files.end(), ledgers.begin(), ledgers.end());
  for (const std::string& file : files) {
    const auto board = MappedBoard::Open(file);
    const caps::Record* record = board != nullptr ? board->Find(policy) : nullptr;
    if (record == nullptr) continue;
    state.use += __atomic_load_n(&record->use, __ATOMIC_ACQUIRE);
    state.waiting += __atomic_load_n(&record->waiting, __ATOMIC_ACQUIRE);
    state.limit = std::max(state.limit, __atomic_load_n(&record->rule.limit, __ATOMIC_ACQUIRE));
  }
  return state;
}

}  // namespace pqleash::testing
