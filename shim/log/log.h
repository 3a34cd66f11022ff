// SPDX-License-Identifier: Apache-2.0
//
// The library's own log: off unless the configuration names a place. It keeps no file open and
// writes with one write(2) a line; where the host has closed or replaced its stderr in the
// meantime, nothing is written.
//
// All functions are thread-safe, keep errno, and give up rather than fail: a line that cannot be
// written is lost.

#ifndef PQLEASH_SHIM_LOG_LOG_H_
#define PQLEASH_SHIM_LOG_LOG_H_

#include "shim/config/config.h"

namespace pqleash::log {

using Level = config::LogLevel;

// Opens the log that `config` names. Called when the process makes its ledger, and again by a
// forked child for its own.
void Open(const config::Config& config) noexcept;

bool Enabled(Level level) noexcept;

// Writes one line, printf-like. At most 1,024 bytes of text. Nothing secret may be in it.
void Write(Level level, const char* format, ...) noexcept __attribute__((format(printf, 2, 3)));

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_LOG_H_
