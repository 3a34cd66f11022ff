// SPDX-License-Identifier: Apache-2.0

#include "reporter/words/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

namespace pqleash::reporter {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
constexpr char kErase[] = "\r\033[K";

uint64_t NowNs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

bool OnTerminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term != nullptr && std::strcmp(term, "dumb") != 0;
}

void WriteRaw(const char* text, size_t size) {
  if (write(STDERR_FILENO, text, size) < 0) {
    // There is nobody to tell.
  }
}

// Leaves nothing behind, then dies of the signal as without us.
void EraseAndDie(int number) {
  WriteRaw(kErase, sizeof kErase - 1);
  std::signal(number, SIG_DFL);
  raise(number);
}

// Whoever has a handler of their own keeps it.
void SetHandlers(void (*from)(int), void (*to)(int)) {
  for (const int number : kSignals) {
    struct sigaction now = {};
    sigaction(number, nullptr, &now);
    if ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != from) continue;
    struct sigaction action = {};
    action.sa_handler = to;
    sigaction(number, &action, nullptr);
  }
}

size_t WindowWidth() {
  winsize window = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
}

std::string Grouped(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

}  // namespace

std::string SearchText(int32_t pid, uint64_t bytes, uint64_t all) {
  constexpr double kMegabyte = 1e6;
  constexpr double kGigabyte = 1e9;
  const bool giga = static_cast<double>(all) >= kGigabyte;
  const double unit = giga ? kGigabyte : kMegabyte;
  const auto amount = [&](uint64_t of) {
    return giga ? fmt::format("{:.1f}", static_cast<double>(of) / unit)
                : fmt::format("{:.0f}", static_cast<double>(of) / unit);
  };
  return fmt::format("searching memory of {}: {} of {} {}", pid, amount(bytes), amount(all),
                     giga ? "GB" : "MB");
}

std::string SymbolText(uint64_t frames, uint64_t all) {
  return fmt::format("reading symbols: {} of {} frames", Grouped(frames), Grouped(all));
}

ProgressLine::ProgressLine() : wanted_(OnTerminal()), pace_(NowNs()) {}

ProgressLine::~ProgressLine() {
  if (!shown_) return;
  WriteRaw(kErase, sizeof kErase - 1);
  SetHandlers(EraseAndDie, SIG_DFL);
}

void ProgressLine::Show(const std::function<std::string()>& text) {
  if (!wanted_ || !pace_.Due(NowNs())) return;
  if (!shown_) SetHandlers(SIG_DFL, EraseAndDie);
  shown_ = true;
  // In the last column a terminal begins a new line.
  const std::string line = kErase + text().substr(0, WindowWidth() - 1);
  WriteRaw(line.data(), line.size());
}

}  // namespace pqleash::reporter
