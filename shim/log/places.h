// SPDX-License-Identifier: Apache-2.0
//
// Where the log goes, as spdlog sinks that hold no file descriptor between two lines.

#ifndef PQLEASH_SHIM_LOG_PLACES_H_
#define PQLEASH_SHIM_LOG_PLACES_H_

#include <spdlog/sinks/sink.h>

#include <memory>
#include <string>

namespace pqleash::log {

// 'stderr', 'syslog' or the path of a file; 'off': nullptr. `bare`: lines are written as they are,
// without time, pid and level. May throw std::bad_alloc.
std::shared_ptr<spdlog::sinks::sink> OpenPlace(const std::string& name, bool bare);

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_PLACES_H_
