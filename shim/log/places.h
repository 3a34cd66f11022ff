// SPDX-License-Identifier: Apache-2.0
//
// Where the log goes, as spdlog sinks that hold no file descriptor between two lines and wait for
// nobody.

#ifndef PQLEASH_SHIM_LOG_PLACES_H_
#define PQLEASH_SHIM_LOG_PLACES_H_

#include <spdlog/sinks/sink.h>

#include <memory>
#include <string>

namespace pqleash::log {

// For one thread at a time: without a lock, which a host's thread that leaves by siglongjmp would
// keep for ever.
class Place : public spdlog::sinks::sink {
 public:
  void log(const spdlog::details::log_msg& message) final;
  // Whether the last line is written as a whole.
  bool took() const { return took_; }

  // A line is what it is.
  void flush() final {}
  void set_pattern(const std::string&) final {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) final {}

 private:
  virtual bool Take(const spdlog::details::log_msg& message) = 0;

  bool took_ = false;
};

// 'stderr', 'syslog' or the path of a file; 'off': nullptr. `bare`: lines are written as they are,
// without time, pid and level. May throw std::bad_alloc.
std::shared_ptr<Place> OpenPlace(const std::string& name, bool bare);

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_PLACES_H_
