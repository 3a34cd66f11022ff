// SPDX-License-Identifier: Apache-2.0
//
// Writing into the host's stderr or into a file without a trace in the host: no descriptor is kept,
// SIGPIPE and SIGXFSZ are held back, and a stderr that the host has closed or put to another use
// since is left alone.

#ifndef PQLEASH_SHIM_LOG_OUTPUT_H_
#define PQLEASH_SHIM_LOG_OUTPUT_H_

#include <sys/stat.h>

#include <cstddef>

namespace pqleash::log {

// Thread-safe once made. No heap, no exceptions. May change errno.
class Output {
 public:
  // `place`: 'stderr' or the path of a file, which is made with mode 0600 when it is not there; cut
  // at 255 bytes.
  explicit Output(const char* place);

  // Writes `size` bytes with one write(2), so that lines of several processes do not mix. What
  // cannot be written is lost.
  void Write(const char* bytes, size_t size) const;

 private:
  int Open() const;

  char path_[256] = {};  // empty: stderr
  struct stat stderr_ = {};
  bool stderr_known_ = false;
};

}  // namespace pqleash::log

#endif  // PQLEASH_SHIM_LOG_OUTPUT_H_
