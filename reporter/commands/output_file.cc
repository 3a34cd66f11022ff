// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace pqleash::reporter {
namespace {

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(fd, text.data(), text.size());
    if (put < 0 && errno != EINTR) return false;
    if (put > 0) text.remove_prefix(static_cast<size_t>(put));
  }
  return true;
}

mode_t UsualMode() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

std::optional<std::string> WriteWhole(const std::string& path, std::string_view text) {
  // Beside it, so that it can be renamed; hidden and without its ending, so that nobody who looks
  // for files like it takes this one.
  const size_t slash = path.rfind('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  std::string temporary = path.substr(0, name) + "." + path.substr(name) + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  const auto problem = [&](int error) {
    return fmt::format("the result could not be written to {}: {}", path, std::strerror(error));
  };
  if (fd < 0) return problem(errno);
  bool fine = WriteAll(fd, text) && fchmod(fd, UsualMode()) == 0 && fsync(fd) == 0;
  int error = errno;
  if (close(fd) != 0 && fine) {
    fine = false;
    error = errno;
  }
  if (fine && rename(temporary.c_str(), path.c_str()) == 0) return std::nullopt;
  if (fine) error = errno;
  unlink(temporary.c_str());
  return problem(error);
}

}  // namespace pqleash::reporter
