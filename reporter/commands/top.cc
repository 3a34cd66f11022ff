// SPDX-License-Identifier: Apache-2.0

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "reporter/commands/command.h"
#include "reporter/commands/options.h"
#include "reporter/observe/collect.h"
#include "reporter/top/keys.h"
#include "reporter/top/model.h"
#include "reporter/top/sampler.h"
#include "reporter/top/screen.h"
#include "reporter/top/terminal.h"
#include "reporter/words/diagnose.h"
#include "reporter/words/duration.h"
#include "reporter/words/escape.h"
#include "reporter/words/exit_code.h"

namespace pqleash::reporter {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kShortest = 100 * kMillisecond;
constexpr uint64_t kLongest = kHour;

struct TopOptions {
  top::SamplerOptions sampler;
  std::optional<uint64_t> interval_ns;
  bool once = false;
  std::string sort = "open";
};

void AddOptions(CommandLine* line, TopOptions* options) {
  AddDurationOption(line, "--interval", "Look that often, 100ms to 1h (default: 2s)",
                    &options->interval_ns);
  line->AddTexts("--service", "NAME", &options->sampler.selection.services,
                 "Only this service. May be repeated");
  AddDirectoryOption(line, &options->sampler.selection.directory);
  line->AddFlag("--once", &options->once,
                "Print one screen as text, after two looks one interval apart: rates need two");
  line->AddText("--sort", "KEY", &options->sort,
                "Sort services by service, processes, open, use, idle, waiting, opened, closed "
                "or findings (default: open)");
  line->AddFlag("--scan", &options->sampler.scan,
                "Search the memory of the processes for lost connections at each look, as `report` "
                "does once (default: do not)");
}

// COLUMNS, else the terminal's, else 80.
size_t WidthForText() {
  constexpr size_t kNarrowest = 20;
  constexpr size_t kWidest = 1'000;
  if (const char* columns = std::getenv("COLUMNS")) {
    const long width = std::strtol(columns, nullptr, 10);
    if (width > 0) return std::clamp(static_cast<size_t>(width), kNarrowest, kWidest);
  }
  winsize window = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
    return std::max<size_t>(window.ws_col, kNarrowest);
  }
  return 80;
}

int PrintOnce(const TopOptions& options) {
  // As wide as UTF-8 is, which is written whatever the locale is, as by all commands.
  if (!top::UseOwnLocale()) std::setlocale(LC_CTYPE, "C.UTF-8");
  Symboliser symboliser;
  const top::Sample before = top::TakeSample(options.sampler, &symboliser);
  std::this_thread::sleep_for(options.sampler.interval);
  const top::Sample now = top::TakeSample(options.sampler, &symboliser);
  for (const std::string& sentence : now.report.incomplete) Diagnose("incomplete: " + sentence);
  top::Place place;
  place.sort = options.sort;
  std::cout << top::PlainScreen(top::SummaryOf(&before, now), top::ShownOf(&before, now, place),
                                WidthForText());
  return FinishOutput();
}

// What came of a change, in one line.
std::string OneLine(const Said& said) {
  if (!said.problem.empty()) return Escape(said.problem);
  std::string line = said.result;
  if (!line.empty() && line.back() == '\n') line.pop_back();
  for (size_t at = 0; (at = line.find("\n  ", at)) != std::string::npos;) line.replace(at, 3, "; ");
  return line;
}

class LiveScreen {
 public:
  LiveScreen(const TopOptions& options, top::Sampler* sampler, top::Terminal* terminal)
      : sampler_(*sampler), terminal_(*terminal) {
    state_.place().sort = options.sort;
    state_.status = "reading ledgers and symbols ...";
  }

  // Until the user or a signal ends it.
  void Run() {
    for (;;) {
      Draw();
      // The window's size is asked for each time: a change of it interrupts the wait.
      switch (terminal_.Wait(sampler_.wake_fd(), 1'000)) {
        case top::Awaited::kSignal:
        case top::Awaited::kEnd:
          return;
        case top::Awaited::kNews:
          TakeNews();
          break;
        case top::Awaited::kKeys:
        case top::Awaited::kNothing:
          if (!TakeKeys()) return;
          break;
      }
    }
  }

 private:
  const top::Sample& now() const { return news_.now ? *news_.now : nothing_; }

  top::Shown Shown() const {
    top::Shown shown = top::ShownOf(news_.before.get(), now(), state_.place());
    if (news_.now == nullptr) shown.table.empty = "";
    return shown;
  }

  void Draw() {
    const top::Summary summary = top::SummaryOf(news_.before.get(), now());
    terminal_.Draw(top::LayOut(summary, Shown(), terminal_.size(), &state_));
  }

  void TakeNews() {
    const bool first = news_.now == nullptr;
    news_ = sampler_.Take();
    if (first) state_.status.clear();
    if (news_.said) {
      state_.status = OneLine(*news_.said);
      state_.status_bad = news_.said->exit_code != kFine;
    } else if (!news_.problem.empty()) {
      state_.status = "not up to date: " + Escape(news_.problem);
      state_.status_bad = true;
    }
  }

  bool TakeKeys() {
    while (const std::optional<top::Key> key = terminal_.Read()) {
      const top::Effect effect = top::Press(*key, Shown(), &state_);
      if (effect.quit) return false;
      if (effect.change) {
        state_.status = "changing the cap ...";
        sampler_.Change(*effect.change);
      }
    }
    return true;
  }

  top::Sampler& sampler_;
  top::Terminal& terminal_;
  const top::Sample nothing_;
  top::News news_;
  top::ViewState state_;
};

int ShowLive(const TopOptions& options) {
  const bool utf8 = top::UseOwnLocale();
  top::Sampler sampler(options.sampler);
  try {
    top::Terminal terminal(WantsColour(STDOUT_FILENO), utf8);
    LiveScreen(options, &sampler, &terminal).Run();
  } catch (const std::exception& error) {
    Diagnose(fmt::format("top: {}", error.what()));
    sampler.Stop(milliseconds(0));
    _exit(kFailed);
  }
  const bool ended = sampler.Stop(milliseconds(500));
  // Whoever started us learns by what we ended.
  if (const int number = top::Terminal::signal()) {
    std::signal(number, SIG_DFL);
    raise(number);
  }
  if (!ended) _exit(kFine);
  return kFine;
}

}  // namespace

int RunTop(const Arguments& arguments) {
  CommandLine line("Show services, call sites and connections as they change; change caps.");
  line.SetFooter("Keys: ? shows them.");
  TopOptions options;
  AddOptions(&line, &options);
  if (const auto exit_code = line.Parse("top", arguments)) return *exit_code;
  const auto usage = [](const std::string& sentence) {
    Diagnose(fmt::format("top: {}; see `pqleash top --help`", sentence));
    return kUsage;
  };
  if (options.interval_ns) {
    if (*options.interval_ns < kShortest || *options.interval_ns > kLongest)
      return usage("--interval: expected 100ms to 1h");
    options.sampler.interval = std::chrono::nanoseconds(*options.interval_ns);
  }
  const top::Table services = top::ShownOf(nullptr, {}, {}).table;
  if (!top::ColumnOf(services, options.sort)) {
    std::string keys;
    for (const top::TableColumn& column : services.columns)
      keys += fmt::format("{}{}", keys.empty() ? "" : ", ", column.key);
    return usage(fmt::format("--sort: '{}' is no column, expected one of {}", options.sort, keys));
  }
  if (options.once) return PrintOnce(options);
  if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1)
    return usage("it needs a terminal; `pqleash top --once` prints one screen anywhere");
  return ShowLive(options);
}

}  // namespace pqleash::reporter
