// SPDX-License-Identifier: Apache-2.0
//
// The places of the log, as spdlog sinks. They keep no file descriptor between two lines and wait
// for no reader.

#ifndef PQLEASH_SHIM_LOG_PLACES_H_
#define PQLEASH_SHIM_LOG_PLACES_H_

#include <spdlog/sinks/sink.h>

#include <memory>
#include <string>

namespace pqleash::log {

// A sink for one thread at a time. It has no mutex, because a thread of the host that leaves by
// siglongjmp would keep it for ever.
class Place : public spdlog::sinks::sink {
 public:
  void log(const spdlog::details::log_msg& message) final;
  // Whether the last line was written completely.
  bool took() const { return took_; }

  // spdlog's formatting and buffering are not used.
  void flush() final {}
  void set_pattern(const std::string&) final {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) final {}

 private:
  virtual bool Take(const spdlog::details::log_msg& message) = 0;

  bool took_ = false;
};

// Returns the place called `name`: 'stderr', 'syslog' or the path of a file; nullptr for 'off'. If
// `bare` is set, lines are written without time, pid and level. May throw std::bad_alloc.
std::shared_ptr<Place> OpenPlace(const std::string& name, bool bare);

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_PLACES_H_
