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

// PGconns of one call site, beside those that are open.
struct Remains {
  uint32_t unfinished =
      0;  // the connect failed, or the connection is broken, and nobody finished it
  uint32_t left_open = 0;  // an interpreter closed it in its own shutdown

  bool None() const { return unfinished == 0 && left_open == 0; }
};

void PrintSite(const Process& process, const ledger::CallSite& site, const Remains& remains,
               Lines& lines) {
  char left_open[64] = "";
  if (remains.left_open != 0)
    snprintf(left_open, sizeof left_open, ", %u left to the interpreter to close",
             remains.left_open);
  lines.Print("  %u open%s and %u failed but not finished, of %" PRIu64
              " opened at call site %016" PRIx64,
              site.open, left_open, remains.unfinished, site.opened, site.id);
  for (uint32_t i = 0; i < std::min<uint32_t>(site.frame_count, kMaxFrames); ++i) {
    char text[960];
    BoundedText bounded(text, sizeof(text));
    PrintFrame(
        DescribeFrame(process, process.ledger.At<uint64_t>(ledger::kFrames, site.first_frame + i)),
        &bounded);
    lines.Print("    #%u %s", i, text);
  }
}

Remains RemainsOf(const Process& process, uint32_t site) {
  Remains remains;
  const uint32_t slots = ledger::Load(process.ledger.header().connections_high_water);
  for (uint32_t slot = 0; slot < slots; ++slot) {
    const auto& record = process.ledger.At<ledger::ConnectionSlot>(ledger::kConnections, slot);
    if (record.call_site != site) continue;
    remains.unfinished += record.state == ledger::kFailed || record.state == ledger::kBroken;
    remains.left_open += record.state == ledger::kLeftOpen;
  }
  return remains;
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
  if (const uint64_t left_open = ledger::Load(header.left_open); left_open != 0)
    lines.Print("  %" PRIu64 " of the closed were open until an interpreter's own shutdown",
                left_open);
  uint32_t printed = 0;
  uint32_t left_out = 0;
  for (uint32_t i = 0; i < ledger::Load(header.call_sites_used); ++i) {
    const auto& site = process.ledger.At<ledger::CallSite>(ledger::kCallSites, i);
    const Remains remains = RemainsOf(process, i);
    if (site.open == 0 && remains.None()) continue;
    if (printed == kMaxSites) {
      ++left_out;
      continue;
    }
    PrintSite(process, site, remains, lines);
    ++printed;
  }
  if (left_out > 0) lines.Print("  and %u more call sites", left_out);
  if (printed > 0 && process.ledger_path[0] != '\0') {
    lines.Print("  with files and lines: pqleash report %s", process.ledger_path);
  }
}

}  // namespace pqleash::tracker
