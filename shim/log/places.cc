// SPDX-License-Identifier: Apache-2.0

#include "shim/log/places.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstring>

#include "shim/log/json_line.h"
#include "shim/log/output.h"

namespace pqleash::log {

namespace {

// Room for the time, the pid and the level before the text.
constexpr size_t kPrefixSize = 128;
static_assert(kPrefixSize + kJsonLineSize <= PIPE_BUF, "a line is written as a whole");

class OutputPlace : public Place {
 public:
  OutputPlace(const char* place, bool bare) : output_(place), bare_(bare) {}

 private:
  bool Take(const spdlog::details::log_msg& message) override {
    char line[kPrefixSize + kJsonLineSize];
    size_t size = bare_ ? 0 : Begin(message, line);
    const size_t length = std::min(message.payload.size(), sizeof(line) - size - 1);
    memcpy(line + size, message.payload.data(), length);
    size += length;
    line[size++] = '\n';
    return output_.Write(line, size);
  }

  // Has the format of spdlog's pattern '%Y-%m-%dT%H:%M:%S.%eZ pqleash[%P] %l: '. spdlog's own
  // formatter keeps state between lines. It also asks libc for the date, which takes a lock and
  // reads the host's TZ.
  static size_t Begin(const spdlog::details::log_msg& message, char* line) {
    const auto since_epoch =
        std::chrono::duration_cast<std::chrono::nanoseconds>(message.time.time_since_epoch());
    char time[kTimeSize];
    FormatTime(static_cast<uint64_t>(since_epoch.count()), time);
    const auto& level = spdlog::level::to_string_view(message.level);
    const int size = snprintf(line, kPrefixSize, "%s pqleash[%d] %.*s: ", time, getpid(),
                              static_cast<int>(level.size()), level.data());
    return std::min(static_cast<size_t>(std::max(size, 0)), kPrefixSize - 1);
  }

  const Output output_;
  const bool bare_;
};

// Sends RFC 3164 datagrams to /dev/log. syslog(3) would share its ident, its options and an open
// socket with the host, and it waits. Makes system calls directly, for the reason given at
// WriteNow.
class SyslogPlace : public Place {
  bool Take(const spdlog::details::log_msg& message) override {
    const long fd = syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    char text[kPrefixSize + kJsonLineSize];
    const int size =
        snprintf(text, sizeof(text), "<%d>pqleash[%d]: %.*s", LOG_DAEMON | Priority(message.level),
                 getpid(), static_cast<int>(message.payload.size()), message.payload.data());
    const size_t length = std::min(static_cast<size_t>(std::max(size, 0)), sizeof(text) - 1);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, "/dev/log");  // NOLINT: it fits
    const long sent = syscall(SYS_sendto, fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT, &address,
                              sizeof(address));
    syscall(SYS_close, fd);
    return sent == static_cast<long>(length);
  }

  static int Priority(spdlog::level::level_enum level) {
    if (level >= spdlog::level::err) return LOG_ERR;
    if (level == spdlog::level::warn) return LOG_WARNING;
    return level == spdlog::level::info ? LOG_INFO : LOG_DEBUG;
  }
};

}  // namespace

void Place::log(const spdlog::details::log_msg& message) {
  took_ = false;
  took_ = Take(message);
}

std::shared_ptr<Place> OpenPlace(const std::string& name, bool bare) {
  if (name == "off") return nullptr;
  if (name == "syslog") return std::make_shared<SyslogPlace>();
  return std::make_shared<OutputPlace>(name.c_str(), bare);
}

}  // namespace pqleash::log
