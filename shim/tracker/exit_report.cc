// SPDX-License-Identifier: Apache-2.0

#include "shim/tracker/exit_report.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>

#include "shim/tracker/frame_description.h"

namespace pqleash::tracker {

namespace {

constexpr uint32_t kMaxSites = 16;
constexpr uint32_t kMaxFrames = 12;

// One line at a time, so that what is printed does not mix with other writers' lines.
class Lines {
 public:
  explicit Lines(const log::Output& output) : output_(output) {}

  void Print(const char* format, ...) __attribute__((format(printf, 2, 3))) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    if (length < 0) return;
    const size_t size = std::min<size_t>(static_cast<size_t>(length), sizeof(line) - 2);
    for (size_t i = 0; i < size; ++i) {
      if (static_cast<unsigned char>(line[i]) < ' ' || line[i] == 0x7f) line[i] = '?';
    }
    line[size] = '\n';
    output_.Write(line, size + 1);
  }

 private:
  const log::Output& output_;
};

void PrintSite(const Process& process, const ledger::CallSite& site, uint32_t unfinished,
               Lines& lines) {
  lines.Print("  %u open and %u failed but not finished, of %" PRIu64
              " opened at call site %016" PRIx64,
              site.open, unfinished, site.opened, site.id);
  for (uint32_t i = 0; i < std::min<uint32_t>(site.frame_count, kMaxFrames); ++i) {
    char text[960];
    BoundedText bounded(text, sizeof(text));
    PrintFrame(
        DescribeFrame(process, process.ledger.At<uint64_t>(ledger::kFrames, site.first_frame + i)),
        &bounded);
    lines.Print("    #%u %s", i, text);
  }
}

// PGconns of `site` whose connect failed and that nobody finished.
uint32_t CountUnfinished(const Process& process, uint32_t site) {
  uint32_t count = 0;
  const uint32_t slots = ledger::Load(process.ledger.header().connections_high_water);
  for (uint32_t slot = 0; slot < slots; ++slot) {
    const auto& record = process.ledger.At<ledger::ConnectionSlot>(ledger::kConnections, slot);
    const bool failed = record.state == ledger::kFailed || record.state == ledger::kBroken;
    if (failed && record.call_site == site) ++count;
  }
  return count;
}

}  // namespace

void WriteExitReport(const Process& process, const log::Output& output) noexcept {
  Lines lines(output);
  const ledger::Header& header = process.ledger.header();
  lines.Print("pqleash: %s (pid %d) ended with %u open PostgreSQL connections (%" PRIu64
              " when it began to end); %" PRIu64 " opened, %" PRIu64 " closed, %" PRIu64 " failed",
              header.service, header.pid, ledger::Load(header.open),
              ledger::Load(header.open_when_ending), ledger::Load(header.opened),
              ledger::Load(header.closed), ledger::Load(header.failed));
  uint32_t printed = 0;
  uint32_t left_out = 0;
  for (uint32_t i = 0; i < ledger::Load(header.call_sites_used); ++i) {
    const auto& site = process.ledger.At<ledger::CallSite>(ledger::kCallSites, i);
    const uint32_t unfinished = CountUnfinished(process, i);
    if (site.open == 0 && unfinished == 0) continue;
    if (printed == kMaxSites) {
      ++left_out;
      continue;
    }
    PrintSite(process, site, unfinished, lines);
    ++printed;
  }
  if (left_out > 0) lines.Print("  and %u more call sites", left_out);
  if (printed > 0 && process.ledger_path[0] != '\0') {
    lines.Print("  with files and lines: pqleash report %s", process.ledger_path);
  }
}

}  // namespace pqleash::tracker
