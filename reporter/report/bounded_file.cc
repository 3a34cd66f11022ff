// SPDX-License-Identifier: Apache-2.0

#include "reporter/report/bounded_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pqleash::reporter {

std::optional<std::string> ReadBoundedFile(const std::string& path, size_t max_bytes,
                                           std::string* problem) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    *problem = fmt::format("{} cannot be read: {}", path, std::strerror(errno));
    return std::nullopt;
  }
  std::string text;
  char buffer[1 << 16];
  ssize_t got = 0;
  do {
    got = read(fd, buffer, sizeof buffer);
    if (got > 0) text.append(buffer, static_cast<size_t>(got));
  } while ((got > 0 && text.size() <= max_bytes) || (got < 0 && errno == EINTR));
  const int error = errno;
  close(fd);
  if (got < 0) {
    *problem = fmt::format("{} cannot be read: {}", path, std::strerror(error));
    return std::nullopt;
  }
  if (text.size() > max_bytes) {
    *problem = fmt::format("{} cannot be used: it has more than {} bytes, the most that is read",
                           path, max_bytes);
    return std::nullopt;
  }
  return text;
}

}  // namespace pqleash::reporter
