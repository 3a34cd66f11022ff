// SPDX-License-Identifier: Apache-2.0
//
// Writes to the host's stderr or to a file, and leaves no trace in the host. No descriptor is kept,
// signals are held back, and no reader is waited for. A stderr that the host has closed, or put to
// another use since, is left alone.

#ifndef PQLEASH_SHIM_LOG_OUTPUT_H_
#define PQLEASH_SHIM_LOG_OUTPUT_H_

#include <sys/stat.h>

#include <cstddef>

namespace pqleash::log {

// A place to write to. Thread-safe after construction. No heap, no exceptions. May change errno.
class Output {
 public:
  // `place` is 'stderr' or the path of a file, cut at 255 bytes. A file that does not exist is made
  // with mode 0600. The class writes only to devices, and to files and FIFOs that belong to the
  // user of the process and have one name. It follows no symbolic link.
  explicit Output(const char* place);

  // Writes `size` bytes, at most PIPE_BUF, with one write(2), so that lines of several processes do
  // not mix. See WriteNow. Returns false if not all bytes were written; the rest is lost.
  bool Write(const char* bytes, size_t size) const;

 private:
  int Open(struct stat* status) const;
  bool MayBeWritten(const struct stat& status) const;

  char path_[256] = {};  // empty: stderr
  struct stat stderr_ = {};
  bool stderr_known_ = false;
};

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_OUTPUT_H_
