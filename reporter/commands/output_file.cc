// SPDX-License-Identifier: Apache-2.0

#include "reporter/commands/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace pqleash::reporter {
namespace {

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Closes `fd`. A file system that writes later says here what went wrong.
bool WriteAndClose(int fd, std::string_view bytes, bool sync) {
  const bool written = WriteAll(fd, bytes) && (!sync || fsync(fd) == 0);
  const int error = errno;
  if (close(fd) != 0) return false;
  errno = error;
  return written;
}

mode_t UsualMode() {
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

bool ReplaceRegular(const std::string& path, mode_t mode, std::string_view bytes) {
  std::string temporary = path + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return false;
  const bool moded = fchmod(fd, mode) == 0;
  if (WriteAndClose(fd, bytes, /*sync=*/true) && moded &&
      rename(temporary.c_str(), path.c_str()) == 0) {
    return true;
  }
  const int error = errno;
  unlink(temporary.c_str());
  errno = error;
  return false;
}

bool Replace(const std::string& path, std::string_view bytes) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) {
    return ReplaceRegular(path, UsualMode(), bytes);
  }
  if (S_ISREG(status.st_mode)) {
    // Behind a link it is the file that is replaced, not the link.
    char resolved[PATH_MAX];
    if (realpath(path.c_str(), resolved) == nullptr) return false;
    return ReplaceRegular(resolved, status.st_mode & 07777, bytes);
  }
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  return fd >= 0 && WriteAndClose(fd, bytes, /*sync=*/false);
}

}  // namespace

bool ReplaceFile(const std::string& path, std::string_view bytes, std::string* problem) {
  if (Replace(path, bytes)) return true;
  *problem = fmt::format(
      "the result could not be written to {}: {}; name a file in a directory that you may write to",
      path, std::strerror(errno));
  return false;
}

}  // namespace pqleash::reporter
