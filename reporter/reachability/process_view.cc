// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/process_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "reporter/reachability/module_images.h"
#include "reporter/reachability/thread_areas.h"
#include "reporter/reachability/threads.h"
#include "reporter/snapshot/ledger_directory.h"
#include "reporter/snapshot/mapped_files.h"
#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

constexpr uint64_t kAddressEnd = uint64_t{1} << 47;
constexpr std::string_view kLibrary = "libpqleash.so";

bool SwapInUse() {
  const std::string swaps = ReadProcFile("/proc/swaps").value_or("\n\n");
  return std::count(swaps.begin(), swaps.end(), '\n') > 1;
}

// Without swap, a page of these that is not there was never written.
bool IsInMemoryAlone(const Mapping& mapping) {
  const std::string& path = mapping.path;
  return path.starts_with("/dev/shm/") || path.starts_with("/memfd:") ||
         path.starts_with("/dev/zero") || path.starts_with("/SYSV") ||
         path.starts_with("anon_inode:");
}

bool IsOpenSsl(std::string_view file) {
  return file.starts_with("libcrypto.so") || file.starts_with("libssl.so");
}

bool IsOurs(std::string_view file) { return ParseLedgerName(file) || file.ends_with(".board"); }

}  // namespace

ProcessView::ProcessView(const Snapshot& snapshot)
    : snapshot_(snapshot),
      pid_(snapshot.process.visible_pid),
      swap_in_use_(SwapInUse()),
      reader_(pid_),
      memory_(reader_) {}

// A process that has replaced its program has not: its ledger tells of connections that are gone.
bool ProcessView::MapsLedger(const std::vector<Mapping>& mappings) const {
  const std::string_view own = FileName(snapshot_.process.ledger);
  return std::any_of(mappings.begin(), mappings.end(), [&](const Mapping& mapping) {
    return mapping.shared && FileName(mapping.path) == own;
  });
}

bool ProcessView::IsSameProcess() const {
  const auto maps = ReadProcFile(fmt::format("/proc/{}/maps", pid_), kMaxMaps);
  return maps && MapsLedger(ParseMemoryMap(*maps));
}

std::string ProcessView::Refresh() {
  errno = 0;
  const auto maps = ReadProcFile(fmt::format("/proc/{}/maps", pid_), kMaxMaps);
  if (!maps || maps->empty()) {
    return WhyRefused(pid_, !maps && (errno == EACCES || errno == EPERM) ? EPERM : ESRCH);
  }
  memory_.Forget();
  parts_.mappings = ParseMemoryMap(*maps);
  if (!MapsLedger(parts_.mappings)) return "it does not map its ledger any more";
  if (parts_.images.empty()) {
    parts_.images =
        ReadModuleImages(parts_.mappings, [this](uint64_t address, void* to, size_t size) {
          return reader_.Read(address, to, size);
        });
  }
  encodings_ = EncodingsIn(parts_.images);
  if (reader_.refused() != 0) return WhyRefused(pid_, reader_.refused());
  regions_ = RegionsToScan(parts_.mappings, Excluded());
  parts_.threads = ListThreads(pid_);
  parts_.areas = FindThreadAreas(parts_.mappings, parts_.threads, WordAt());
  unused_stacks_.clear();
  for (const Thread& thread : parts_.threads) {
    if (const auto unused = DeadStack(thread, parts_.mappings, parts_.areas)) {
      unused_stacks_.push_back({*unused, thread.tid});
    }
  }
  blocks_.emplace(WordAt(), AnonymousMemory(), LibcWords(), ThreadWords());
  return {};
}

// What is the library's: it knows every connection, and would hold them all.
std::vector<AddressRange> ProcessView::Excluded() const {
  const Process& process = snapshot_.process;
  std::vector<AddressRange> excluded;
  if (process.private_begin < kAddressEnd && process.private_size < kAddressEnd) {
    excluded.push_back({process.private_begin, process.private_begin + process.private_size});
  }
  for (const ModuleImage& image : parts_.images) {
    if (FileName(image.path).starts_with(kLibrary)) excluded.push_back(image.range);
  }
  // Its own ledger, and after a fork the parent's, and boards: they lie in one directory.
  const std::string_view own = FileName(process.ledger);
  for (const Mapping& ledger : parts_.mappings) {
    if (FileName(ledger.path) != own || !ledger.shared) continue;
    const size_t directory = ledger.path.rfind('/');
    for (const Mapping& mapping : parts_.mappings) {
      if (mapping.shared && mapping.path.rfind('/') == directory &&
          mapping.path.compare(0, directory, ledger.path, 0, directory) == 0 &&
          IsOurs(FileName(mapping.path))) {
        excluded.push_back(mapping.range);
      }
    }
  }
  return excluded;
}

std::vector<AddressRange> ProcessView::AnonymousMemory() const {
  std::vector<AddressRange> ranges;
  for (const Mapping& mapping : parts_.mappings) {
    if (mapping.writable && mapping.readable && IsAnonymous(mapping)) {
      ranges.push_back(mapping.range);
    }
  }
  return ranges;
}

std::vector<uint64_t> ProcessView::LibcWords() {
  std::vector<uint64_t> words;
  for (const Mapping& mapping : parts_.mappings) {
    const ModuleImage* image = ImageAt(parts_.images, mapping.range.begin);
    if (image == nullptr || !mapping.writable || !FileName(image->path).starts_with("libc.so")) {
      continue;
    }
    const uint64_t end = std::min(mapping.range.end, image->range.end);
    for (uint64_t address = mapping.range.begin; address < end; address += 8) {
      if (const uint64_t word = memory_.WordOrZero(address)) words.push_back(word);
    }
  }
  std::sort(words.begin(), words.end());
  return words;
}

std::vector<uint64_t> ProcessView::ThreadWords() {
  const uint64_t size = ThreadLocalSize(parts_.images);
  std::vector<uint64_t> words;
  for (const ThreadArea& area : parts_.areas) {
    for (uint64_t at = area.descriptor - std::min(size, area.descriptor) / 8 * 8;
         at < area.descriptor; at += 8) {
      if (const uint64_t word = memory_.WordOrZero(at)) words.push_back(word);
    }
  }
  return words;
}

const UnusedStack* ProcessView::UnusedStackAt(uint64_t address) const {
  const auto found =
      std::find_if(unused_stacks_.begin(), unused_stacks_.end(),
                   [address](const UnusedStack& unused) { return unused.range.Contains(address); });
  return found == unused_stacks_.end() ? nullptr : &*found;
}

bool ProcessView::IsCode(uint64_t address) const {
  const Mapping* mapping = MappingAt(parts_.mappings, address);
  return mapping != nullptr && mapping->executable;
}

bool ProcessView::InOpenSsl(uint64_t address) const {
  const ModuleImage* image = ImageAt(parts_.images, address);
  return image != nullptr && IsOpenSsl(FileName(image->path));
}

bool ProcessView::OfEndedThread(uint64_t address) const {
  const ThreadArea* area = AreaAt(parts_.areas, address);
  return area != nullptr && area->tid == ThreadArea::kEnded;
}

bool ProcessView::MayBeElsewhere(const Mapping& mapping) const {
  return mapping.shared && (!IsInMemoryAlone(mapping) || swap_in_use_);
}

bool ProcessView::StoodStill(int32_t tid, const std::vector<Thread>& now) const {
  const auto is_it = [tid](const Thread& thread) { return thread.tid == tid; };
  const auto before = std::find_if(parts_.threads.begin(), parts_.threads.end(), is_it);
  const auto after = std::find_if(now.begin(), now.end(), is_it);
  return before != parts_.threads.end() && after != now.end() &&
         before->stack_pointer == after->stack_pointer;
}

}  // namespace pqleash::reporter
