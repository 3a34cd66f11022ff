// SPDX-License-Identifier: Apache-2.0
//
// The library's own log. It is off unless the configuration names a place for it. It keeps no file
// open and writes each line with one write(2). If the host has closed or replaced its stderr since
// the start, nothing is written there.
//
// Saying and writing a line are separate. Write puts a line into memory and may be called under any
// lock. Flush writes the lines in memory. It is called where the thread holds nothing: no lock, and
// no place at a cap that its connection does not use yet.
//
// All functions are thread-safe and keep errno. They wait for nothing, and give up rather than
// fail. A line that the log's place does not take at once is dropped; the number of dropped lines
// is written when the place takes a line again. The thread's signals are blocked meanwhile, and no
// lock is used, so a thread that leaves by siglongjmp cannot keep one.

#ifndef PQLEASH_SHIM_LOG_LOG_H_
#define PQLEASH_SHIM_LOG_LOG_H_

#include "shim/config/config.h"
#include "shim/log/events.h"
#include "shim/log/json_line.h"

namespace pqleash::log {

using Level = config::LogLevel;

// Opens the log that `config` names. Called when the process makes its ledger. A forked child calls
// it again for itself. If it fails, there is no log.
void Open(const config::Config& config) noexcept;

// Whether a line of this level would be written. One load.
bool Enabled(Level level) noexcept;

// Says one line about `event`, formatted like printf, to be written by the next Flush. The text is
// cut at 1,024 bytes. A JSON line has `fields` in addition; a text line says the same in its words.
// Neither may contain anything secret. At most kLinesPerSecond lines of one event are kept in a
// second. The number of lines left out is written in a later second, with the next line of any
// event.
void Write(Level level, Event event, Fields fields, const char* format, ...) noexcept
    __attribute__((format(printf, 4, 5)));
void Write(Level level, Event event, const char* format, ...) noexcept
    __attribute__((format(printf, 3, 4)));

// Writes the lines that have been said. If there are none, this costs one load and one compare. If
// another thread is writing them, that thread writes all of them.
void Flush() noexcept;

// Writes the lines that have been said, and the numbers of lines left out. Called at the end of the
// process.
void Finish() noexcept;

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_LOG_H_
