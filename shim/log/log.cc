// SPDX-License-Identifier: Apache-2.0

#include "shim/log/log.h"

#include <spdlog/logger.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <memory>

#include "shim/log/places.h"
#include "shim/support/host_state.h"

namespace pqleash::log {

namespace {

// Replaced, never destroyed: another thread may be using it, and a forked child must not touch a
// mutex that was held when it was made.
constinit std::atomic<spdlog::logger*> logger{nullptr};

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

spdlog::logger* Make(const config::Config& config) {
  spdlog::sink_ptr place = OpenPlace(config.log);
  if (place == nullptr) return nullptr;
  auto made = std::make_unique<spdlog::logger>("pqleash", std::move(place));
  made->set_level(ToSpdlog(config.log_level));
  // spdlog's default is to print to the host's stderr.
  made->set_error_handler([](const std::string&) {});
  return made.release();
}

}  // namespace

void Open(const config::Config& config) noexcept {
  const HostStateKeeper keeper;
  try {
    logger.store(Make(config), std::memory_order_release);
  } catch (...) {
    logger.store(nullptr, std::memory_order_release);
  }
}

bool Enabled(Level level) noexcept {
  const spdlog::logger* current = logger.load(std::memory_order_acquire);
  return current != nullptr && current->should_log(ToSpdlog(level));
}

void Write(Level level, const char* format, ...) noexcept {
  if (!Enabled(level)) return;
  const HostStateKeeper keeper;
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  try {
    logger.load(std::memory_order_acquire)->log(ToSpdlog(level), spdlog::string_view_t(text));
  } catch (...) {
    // No memory, say. The host goes on.
  }
}

}  // namespace pqleash::log
