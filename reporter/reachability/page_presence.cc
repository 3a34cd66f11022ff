// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/page_presence.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <iterator>

namespace pqleash::reporter {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kPagesAtOnce = 1 << 14;

// Of an entry of pagemap.
constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kSwapped = uint64_t{1} << 62;

// <linux/fs.h> from 6.7 on; that of Debian 12 does not have it.
constexpr uint64_t kPageIsPresent = 1 << 3;
constexpr uint64_t kPageIsSwapped = 1 << 4;
struct PageRegion {
  uint64_t start;
  uint64_t end;
  uint64_t categories;
};
struct ScanArgument {
  uint64_t size;
  uint64_t flags;
  uint64_t start;
  uint64_t end;
  uint64_t walk_end;
  uint64_t vec;
  uint64_t vec_len;
  uint64_t max_pages;
  uint64_t category_inverted;
  uint64_t category_mask;
  uint64_t category_anyof_mask;
  uint64_t return_mask;
};
const unsigned long kPagemapScan = _IOWR('f', 16, ScanArgument);

}  // namespace

PagePresence::PagePresence(int32_t pid)
    : pagemap_(open(fmt::format("/proc/{}/pagemap", pid).c_str(), O_RDONLY | O_CLOEXEC)) {}

PagePresence::~PagePresence() {
  if (pagemap_ >= 0) close(pagemap_);
}

bool PagePresence::Has(uint64_t address) const {
  uint64_t entry = kPresent;
  if (pagemap_ < 0) return true;
  const auto at = static_cast<off_t>(address / kPage * sizeof(entry));
  if (pread(pagemap_, &entry, sizeof(entry), at) != sizeof(entry)) return true;
  return (entry & (kPresent | kSwapped)) != 0;
}

PagePresence::Step PagePresence::From(const AddressRange& range) const {
  if (pagemap_ < 0) return {{range}, range.end};
  Step step;
  return scans_ && Scan(range, &step) ? step : Read(range);
}

// False: the kernel cannot tell, of this range or at all.
bool PagePresence::Scan(const AddressRange& range, Step* step) const {
  PageRegion regions[256];
  ScanArgument argument = {};
  argument.size = sizeof(argument);
  argument.start = range.begin;
  argument.end = range.end;
  argument.vec = reinterpret_cast<uint64_t>(regions);
  argument.vec_len = std::size(regions);
  argument.category_anyof_mask = kPageIsPresent | kPageIsSwapped;
  const int count = ioctl(pagemap_, kPagemapScan, &argument);
  if (count < 0) {
    scans_ = errno != ENOTTY;
    return false;
  }
  if (argument.walk_end <= range.begin) return false;
  for (int i = 0; i < count; ++i) {
    const AddressRange run = {regions[i].start, regions[i].end};
    if (!step->runs.empty() && step->runs.back().end == run.begin) {
      step->runs.back().end = run.end;
    } else {
      step->runs.push_back(run);
    }
  }
  step->walked = argument.walk_end;
  return true;
}

PagePresence::Step PagePresence::Read(const AddressRange& range) const {
  const size_t count = std::min<uint64_t>(kPagesAtOnce, range.size() / kPage);
  std::vector<uint64_t> entries(count, kPresent);
  const auto at = static_cast<off_t>(range.begin / kPage * sizeof(uint64_t));
  [[maybe_unused]] const ssize_t got =
      pread(pagemap_, entries.data(), count * sizeof(uint64_t), at);
  Step step;
  step.walked = range.begin + count * kPage;
  for (size_t i = 0; i < count; ++i) {
    if ((entries[i] & (kPresent | kSwapped)) == 0) continue;
    const uint64_t page = range.begin + i * kPage;
    if (!step.runs.empty() && step.runs.back().end == page) {
      step.runs.back().end += kPage;
    } else {
      step.runs.push_back({page, page + kPage});
    }
  }
  return step;
}

}  // namespace pqleash::reporter
