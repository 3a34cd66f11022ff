// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/exit_examiner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstring>
#include <utility>
#include <variant>

#include "reporter/snapshot/connection_times.h"
#include "reporter/snapshot/ledger_directory.h"
#include "reporter/snapshot/ledger_reader.h"
#include "reporter/words/duration.h"
#include "shim/ledger/layout.h"
#include "shim/support/clock.h"

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;
constexpr useconds_t kPause = 5'000;          // microseconds between two looks
constexpr uint64_t kReserveNs = kSecond / 4;  // of the wait, for the end of a search

class OpenFile {
 public:
  OpenFile(const std::string& path, int flags)
      : descriptor_(open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) {}
  ~OpenFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const { return descriptor_; }
  bool IsRegular() const {
    struct stat status;
    return descriptor_ >= 0 && fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  }

 private:
  const int descriptor_;
};

// No value: it is no ledger of this version, or not yet.
std::optional<ledger::Header> ReadHeader(const OpenFile& file) {
  ledger::Header header;
  if (!file.IsRegular() ||
      pread(file.descriptor(), &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header)) {
    return std::nullopt;
  }
  const bool known = std::memcmp(header.magic, ledger::kMagic, sizeof header.magic) == 0 &&
                     header.version == ledger::kVersion && header.byte_order == ledger::kByteOrder;
  return known ? std::optional(header) : std::nullopt;
}

// The word is written through the file, and the page that it is in is only named to the kernel: it
// is not touched, since the file may have been cut short.
void Release(const std::string& path) {
  constexpr size_t kPage = 4096;
  static_assert(offsetof(ledger::Header, exit_hold) + sizeof(uint32_t) <= kPage);
  const OpenFile reading(path, O_RDONLY);
  // A ledger is closed to writers by its name; its owner may open it for the moment.
  if (!reading.IsRegular()) return;
  const bool opened = fchmod(reading.descriptor(), 0600) == 0;
  const OpenFile file(path, O_RDWR);
  if (opened) fchmod(reading.descriptor(), 0400);
  // Looked at again: nothing is written into what has taken its place.
  const auto header = ReadHeader(file);
  if (!header || header->exit_hold != ledger::kHoldWaiting) return;
  const uint32_t released = ledger::kHoldReleased;
  const auto offset = static_cast<off_t>(offsetof(ledger::Header, exit_hold));
  if (pwrite(file.descriptor(), &released, sizeof released, offset) != sizeof released) return;
  void* page = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor(), 0);
  if (page == MAP_FAILED) return;
  syscall(SYS_futex, static_cast<char*>(page) + offset, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  munmap(page, kPage);
}

bool IsSameConnection(const Connection& a, const Connection& b) {
  return a.handle == b.handle && a.opened_ns == b.opened_ns && a.tid == b.tid;
}

}  // namespace

ExitExaminer::ExitExaminer(std::string directory, uint64_t run_id, const ScanOptions& options)
    : directory_(std::move(directory)), run_id_(run_id), options_(options) {}

int ExitExaminer::WaitForHeld(std::chrono::milliseconds timeout) {
  const auto limit = Clock::now() + timeout;
  for (;;) {
    const int let_go = LetGoThoseThatWait();
    if (let_go != 0 || Clock::now() >= limit) return let_go;
    usleep(kPause);
  }
}

int ExitExaminer::LetGoThoseThatWait() {
  int let_go = 0;
  for (const LedgerEntry& entry : ListLedgers({directory_}).entries) {
    if (done_.contains(entry.path)) continue;
    const auto until = WaitsUntil(entry.path);
    if (!until) continue;
    Examine(entry.path, entry.newest_image, *until);
    Release(entry.path);
    done_.insert(entry.path);
    ++let_go;
  }
  return let_go;
}

std::optional<uint64_t> ExitExaminer::WaitsUntil(const std::string& path) {
  const auto header = ReadHeader(OpenFile(path, O_RDONLY));
  if (!header) return std::nullopt;
  const bool over =
      header->exit_hold > ledger::kHoldWaiting || header->process_state == ledger::kProcessEnded;
  if (header->run_id != run_id_ || over) {
    done_.insert(path);
    return std::nullopt;
  }
  if (header->exit_hold != ledger::kHoldWaiting) return std::nullopt;
  return header->exit_hold_until_ns;
}

void ExitExaminer::Examine(const std::string& path, bool newest_image, uint64_t until_ns) {
  LedgerResult read = ReadListedLedger(path);
  if (auto* error = std::get_if<LedgerError>(&read)) {
    incomplete_.push_back(std::move(error->sentence));
    return;
  }
  Snapshot& snapshot = std::get<Snapshot>(read);
  const Liveness liveness = probe_.Look(snapshot.process, newest_image);
  SetLife(liveness.life, liveness.visible_pid, Now(), &snapshot);
  if (liveness.life != Life::kLive || liveness.visible_pid == 0) return;
  // A process that goes on while it is searched takes apart what is searched.
  // Owners in frames that are gone are lost at every exit.
  ScanOptions options = options_;
  options.lost_owners = false;
  const uint64_t now = Now();
  const uint64_t left = until_ns > now + kReserveNs ? until_ns - now - kReserveNs : 0;
  options.time = std::min(options.time, std::chrono::nanoseconds(left));
  ScanResult result = ScanProcess(snapshot, options, &symboliser_);
  std::move(result.incomplete.begin(), result.incomplete.end(), std::back_inserter(incomplete_));
  const auto after = ReadHeader(OpenFile(path, O_RDONLY));
  if (!after || after->exit_hold != ledger::kHoldWaiting) {
    incomplete_.push_back(fmt::format(
        "process {} ({}): it went on to its end before it had been searched for lost connections",
        snapshot.process.pid, snapshot.process.service));
    return;
  }
  if (result.reachability.connections.empty()) return;
  examined_[path] = {std::move(snapshot.connections), std::move(result.reachability)};
}

Reachability ExitExaminer::VerdictsFor(const Snapshot& snapshot) const {
  const auto found = examined_.find(snapshot.process.ledger);
  if (found == examined_.end()) return {};
  const Examined& examined = found->second;
  Reachability verdicts = examined.reachability;
  verdicts.connections.assign(snapshot.connections.size(), {});
  for (size_t i = 0; i < snapshot.connections.size(); ++i) {
    for (size_t j = 0; j < examined.connections.size(); ++j) {
      if (IsSameConnection(snapshot.connections[i], examined.connections[j])) {
        verdicts.connections[i] = examined.reachability.connections[j];
      }
    }
  }
  return verdicts;
}

}  // namespace pqleash::reporter
