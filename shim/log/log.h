// SPDX-License-Identifier: Apache-2.0
//
// The library's own log: off unless the configuration names a place. It keeps no file open and
// writes with one write(2) a line; where the host has closed or replaced its stderr in the
// meantime, nothing is written.
//
// Saying and writing are two things. Write puts a line into memory, under whatever lock, and Flush
// writes what is there; it is called where nothing is held: no lock, no place at a cap that is not
// used yet.
//
// All functions are thread-safe, keep errno, wait for nobody, and give up rather than fail: a line
// that its place does not take at once is dropped, and how many were is written when it takes one
// again. Signals of the thread are blocked meanwhile, and there is no lock that a thread which
// leaves could keep.

#ifndef PQLEASH_SHIM_LOG_LOG_H_
#define PQLEASH_SHIM_LOG_LOG_H_

#include "shim/config/config.h"
#include "shim/log/events.h"
#include "shim/log/json_line.h"

namespace pqleash::log {

using Level = config::LogLevel;

// Opens the log that `config` names. Called when the process makes its ledger, and again by a
// forked child for its own.
void Open(const config::Config& config) noexcept;

bool Enabled(Level level) noexcept;

// Says one line about `event`, printf-like, for the next Flush. At most 1,024 bytes of text. As
// JSON it has `fields` beside the text: a line of text says the same in words. Nothing secret may
// be in it. Beyond kLinesPerSecond of one event a line is left out, and how many were is written in
// a later second, with the next line of any event.
void Write(Level level, Event event, Fields fields, const char* format, ...) noexcept
    __attribute__((format(printf, 4, 5)));
void Write(Level level, Event event, const char* format, ...) noexcept
    __attribute__((format(printf, 3, 4)));

// Writes what has been said. A load and a compare where there is nothing. Where another thread is
// at it, that one writes all.
void Flush() noexcept;

// The process ends: writes what has been said, and how many lines were left out.
void Finish() noexcept;

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_LOG_H_
