// SPDX-License-Identifier: Apache-2.0

#include "shim/log/log.h"

#include <spdlog/logger.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "shim/log/backlog.h"
#include "shim/log/places.h"
#include "shim/log/rate_limit.h"
#include "shim/support/clock.h"
#include "shim/support/host_state.h"
#include "shim/support/signals_blocked.h"
#include "shim/support/text.h"

namespace pqleash::log {

namespace {

struct Log {
  std::shared_ptr<Place> place;
  spdlog::logger logger;  // the logger over it
  bool json;
  Level level;
  char service[64];
};

// The log in use. A log that is replaced is never destroyed, because another thread may be using
// it.
constinit std::atomic<Log*> current{nullptr};

// The state below is shared by all logs that follow each other.
constinit RateLimit rate_limit;
constinit Backlog backlog = {};
// Lines for which the backlog had no room, and lines that the log's place did not take.
constinit std::atomic<uint64_t> dropped{0};
// A thread is writing the backlog. Other threads do not wait: that thread looks again before it
// ends.
constinit std::atomic<bool> flushing{false};

// Protects the code that formats or writes a line: a signal handler of the host must not interrupt
// it, and a cancellation of its thread must not end it.
struct Undisturbed {
  const HostStateKeeper keeper;
  const SignalsBlocked blocked;
};

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
  std::shared_ptr<Place> place = OpenPlace(config.log, json);
  if (place == nullptr) return nullptr;
  auto made = std::make_unique<Log>(
      Log{place, spdlog::logger("pqleash", place), json, config.log_level, {}});
  CopyText(config.service.c_str(), made->service);
  made->logger.set_level(ToSpdlog(config.log_level));
  // By default spdlog prints its errors to the host's stderr.
  made->logger.set_error_handler([](const std::string&) {});
  return made.release();
}

size_t Format(const Log& log, const Line& line, Fields fields, char (&text)[kJsonLineSize]) {
  if (log.json) return FormatJsonLine(line, fields, text);
  const size_t length = std::min(line.message.size(), sizeof(text) - 1);
  memcpy(text, line.message.data(), length);
  text[length] = '\0';
  // Names of programs, services and files may contain any byte. JSON escapes them itself.
  MaskControls(text);
  return length;
}

void Say(const Log& log, Level level, Event event, Fields fields, const char* text) {
  BacklogLine* line = backlog.Begin();
  if (line == nullptr) {
    dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  line->realtime_ns = ReadClock(CLOCK_REALTIME);
  line->level = level;
  line->pid = getpid();
  line->length = Format(log, {line->realtime_ns, level, event, line->pid, log.service, text},
                        fields, line->text);
  backlog.Say(line);
}

// Returns whether the log's place has taken the line.
bool Put(Log& log, uint64_t realtime_ns, Level level, std::string_view text) noexcept {
  try {
    const spdlog::log_clock::time_point moment{
        std::chrono::duration_cast<spdlog::log_clock::duration>(
            std::chrono::nanoseconds(realtime_ns))};
    log.logger.log(moment, {}, ToSpdlog(level), spdlog::string_view_t(text.data(), text.size()));
    return log.place->took();
  } catch (...) {
    return false;  // no memory, say
  }
}

// Writes how many lines were dropped before, if there are any. Returns false if that line was not
// taken either.
bool PutDropped(Log& log) {
  const uint64_t count = dropped.load(std::memory_order_relaxed);
  if (count == 0) return true;
  char message[128];
  snprintf(message, sizeof(message),
           "%" PRIu64 " lines were dropped: the place of the log did not take them at once", count);
  static char text[kJsonLineSize];  // only the one thread that is flushing uses it
  const uint64_t now = ReadClock(CLOCK_REALTIME);
  // The dropped lines would have been written, so this line is written at any log level.
  const Level level = std::max(log.level, Level::kWarn);
  const size_t length = Format(log, {now, level, Event::kDropped, getpid(), log.service, message},
                               {Field::Number("dropped", count)}, text);
  if (!Put(log, now, level, {text, length})) return false;
  dropped.fetch_sub(count, std::memory_order_relaxed);
  return true;
}

// Returns false if there was no line.
bool PutAll(Log& log) {
  bool any = false;
  while (BacklogLine* line = backlog.Oldest()) {
    any = true;
    const bool ours = line->pid == getpid();
    if (ours && !(PutDropped(log) &&
                  Put(log, line->realtime_ns, line->level, {line->text, line->length}))) {
      dropped.fetch_add(1, std::memory_order_relaxed);
    }
    backlog.Done(line);
  }
  return any;
}

void SayLeftOut(Log* log, Event event, uint32_t count) noexcept {
  if (count == 0) return;
  char text[128];
  snprintf(text, sizeof(text), "%u more lines of event %s were left out: more than %u in a second",
           count, NameOf(event), kLinesPerSecond);
  // The lines left out would have been written, so this line is written at any log level.
  Say(*log, std::max(log->level, Level::kWarn), Event::kLeftOut,
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
  Say(*log, level, event, fields, text);
}

}  // namespace

void Open(const config::Config& config) noexcept {
  const Undisturbed undisturbed;
  // The state may be that of a forked child's parent, in which a thread may have been flushing.
  backlog.Clear();
  dropped.store(0, std::memory_order_relaxed);
  flushing.store(false, std::memory_order_relaxed);
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
  const Undisturbed undisturbed;
  va_list arguments;
  va_start(arguments, format);
  WriteText(level, event, fields, format, arguments);
  va_end(arguments);
}

void Write(Level level, Event event, const char* format, ...) noexcept {
  if (!Enabled(level)) return;
  const Undisturbed undisturbed;
  va_list arguments;
  va_start(arguments, format);
  WriteText(level, event, {}, format, arguments);
  va_end(arguments);
}

void Flush() noexcept {
  Log* log = current.load(std::memory_order_acquire);
  while (log != nullptr && !backlog.Empty()) {
    const Undisturbed undisturbed;
    if (flushing.exchange(true, std::memory_order_acquire)) return;
    const bool any = PutAll(*log);
    flushing.store(false, std::memory_order_release);
    if (!any) return;  // the line is not complete yet, and the thread that says it flushes as well
  }
}

void Finish() noexcept {
  Log* log = current.load(std::memory_order_acquire);
  if (log == nullptr) return;
  const Undisturbed undisturbed;
  // No event has this second, so the bound's periods count as over for all events.
  SayAllLeftOut(log, UINT32_MAX);
  Flush();
  if (!flushing.exchange(true, std::memory_order_acquire)) {
    PutDropped(*log);
    flushing.store(false, std::memory_order_release);
  }
}

}  // namespace pqleash::log
