// SPDX-License-Identifier: Apache-2.0
//
// Writing into the host's stderr or into a file without a trace in the host: no descriptor is kept,
// signals are held back, nobody at the other end is waited for, and a stderr that the host has
// closed or put to another use since is left alone.

#ifndef PQLEASH_SHIM_LOG_OUTPUT_H_
#define PQLEASH_SHIM_LOG_OUTPUT_H_

#include <sys/stat.h>

#include <cstddef>

namespace pqleash::log {

// Thread-safe once made. No heap, no exceptions. May change errno.
class Output {
 public:
  // `place`: 'stderr' or the path of a file, which is made with mode 0600 when it is not there; cut
  // at 255 bytes. Written are files with one name and FIFOs, if they belong to the user of the
  // process, and devices; nothing by a link.
  explicit Output(const char* place);

  // Writes `size` bytes, at most PIPE_BUF, with one write(2), so that lines of several processes do
  // not mix; see WriteNow. False: what was not written is lost.
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
