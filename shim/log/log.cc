// SPDX-License-Identifier: Apache-2.0

#include "shim/log/log.h"

#include <spdlog/logger.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <memory>

#include "shim/log/places.h"
#include "shim/log/rate_limit.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"
#include "shim/support/text.h"

namespace pqleash::log {

namespace {

struct Log {
  spdlog::logger logger;
  bool json;
  Level level;
  char service[64];
};

// Replaced, never destroyed: another thread may be using it, and a forked child must not touch a
// mutex that was held when it was made.
constinit std::atomic<Log*> current{nullptr};

// Of all logs that there are one after the other.
constinit RateLimit rate_limit;

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

Log* Make(const config::Config& config) {
  const bool json = config.log_format == config::LogFormat::kJson;
  spdlog::sink_ptr place = OpenPlace(config.log, json);
  if (place == nullptr) return nullptr;
  auto made = std::make_unique<Log>(
      Log{spdlog::logger("pqleash", std::move(place)), json, config.log_level, {}});
  CopyText(config.service.c_str(), made->service);
  made->logger.set_level(ToSpdlog(config.log_level));
  // spdlog's default is to print to the host's stderr.
  made->logger.set_error_handler([](const std::string&) {});
  return made.release();
}

void WriteLine(Log* log, Level level, Event event, Fields fields, const char* text) noexcept {
  try {
    const uint64_t now = ReadClock(CLOCK_REALTIME);
    const spdlog::log_clock::time_point moment{
        std::chrono::duration_cast<spdlog::log_clock::duration>(std::chrono::nanoseconds(now))};
    if (!log->json) {
      log->logger.log(moment, {}, ToSpdlog(level), spdlog::string_view_t(text));
      return;
    }
    char line[kJsonLineSize];
    const size_t length =
        FormatJsonLine({now, level, event, getpid(), log->service, text}, fields, line);
    log->logger.log(moment, {}, ToSpdlog(level), spdlog::string_view_t(line, length));
  } catch (...) {
    // No memory, say. The host goes on.
  }
}

void SayLeftOut(Log* log, Event event, uint32_t count) noexcept {
  if (count == 0) return;
  char text[128];
  snprintf(text, sizeof(text), "%u more lines of event %s were left out: more than %u in a second",
           count, NameOf(event), kLinesPerSecond);
  // What was left out would have been written: whatever the level is, so is this.
  WriteLine(log, std::max(log->level, Level::kWarn), Event::kLeftOut,
            {Field::Text("left_out_event", NameOf(event)), Field::Number("left_out", count)}, text);
}

void SayAllLeftOut(Log* log, uint64_t second) noexcept {
  for (size_t i = 0; i < kEvents; ++i) {
    const auto event = static_cast<Event>(i);
    SayLeftOut(log, event, rate_limit.Take(event, second));
  }
}

void WriteText(Level level, Event event, Fields fields, const char* format,
               va_list arguments) noexcept {
  Log* log = current.load(std::memory_order_acquire);
  const uint64_t second = Now() / 1'000'000'000;
  uint32_t left_out = 0;
  const bool admitted = rate_limit.Admit(event, second, &left_out);
  SayLeftOut(log, event, left_out);
  if (!admitted) return;
  SayAllLeftOut(log, second);
  char text[1024];
  vsnprintf(text, sizeof(text), format, arguments);
  // Names of programs, services and files may hold anything; JSON has its own way with it.
  if (!log->json) MaskControls(text);
  WriteLine(log, level, event, fields, text);
}

}  // namespace

void Open(const config::Config& config) noexcept {
  const HostStateKeeper keeper;
  try {
    current.store(Make(config), std::memory_order_release);
  } catch (...) {
    current.store(nullptr, std::memory_order_release);
  }
}

bool Enabled(Level level) noexcept {
  const Log* log = current.load(std::memory_order_acquire);
  return log != nullptr && log->logger.should_log(ToSpdlog(level));
}

void Write(Level level, Event event, Fields fields, const char* format, ...) noexcept {
  if (!Enabled(level)) return;
  const HostStateKeeper keeper;
  va_list arguments;
  va_start(arguments, format);
  WriteText(level, event, fields, format, arguments);
  va_end(arguments);
}

void Write(Level level, Event event, const char* format, ...) noexcept {
  if (!Enabled(level)) return;
  const HostStateKeeper keeper;
  va_list arguments;
  va_start(arguments, format);
  WriteText(level, event, {}, format, arguments);
  va_end(arguments);
}

void Finish() noexcept {
  Log* log = current.load(std::memory_order_acquire);
  if (log == nullptr) return;
  const HostStateKeeper keeper;
  // A second that there never is: all of them are over.
  SayAllLeftOut(log, UINT32_MAX);
}

}  // namespace pqleash::log
