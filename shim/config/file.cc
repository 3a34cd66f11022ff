// SPDX-License-Identifier: Apache-2.0

#include "shim/config/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "shim/config/shape.h"

namespace pqleash::config {

namespace {

// A read that signals interrupt more often than this fails, so that it always ends.
constexpr int kMaxInterrupted = 100;

struct Descriptor {
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  int fd;
};

}  // namespace

std::optional<std::string> ReadConfigFile(const std::string& path, std::string* error) {
  // O_NONBLOCK: opening a FIFO must not wait for its other end.
  const Descriptor file = {open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
  struct stat status;
  if (file.fd < 0 || fstat(file.fd, &status) != 0) {
    *error = strerrordesc_np(errno);
    return std::nullopt;
  }
  if (!S_ISREG(status.st_mode)) {
    *error = "it is no regular file";
    return std::nullopt;
  }
  if (status.st_size > off_t{kMaxFileSize}) {
    static_assert(kMaxFileSize == size_t{256} * 1024);
    *error = "it has more than 256 KiB";
    return std::nullopt;
  }
  std::string text(static_cast<size_t>(status.st_size), '\0');
  size_t size = 0;
  int interrupted = 0;
  while (size < text.size()) {
    const ssize_t chunk = read(file.fd, text.data() + size, text.size() - size);
    if (chunk < 0 && errno == EINTR && ++interrupted < kMaxInterrupted) continue;
    if (chunk < 0) {
      *error = strerrordesc_np(errno);
      return std::nullopt;
    }
    if (chunk == 0) break;
    size += static_cast<size_t>(chunk);
  }
  text.resize(size);
  return text;
}

}  // namespace pqleash::config
