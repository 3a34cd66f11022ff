// SPDX-License-Identifier: Apache-2.0

#include "shim/log/places.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cstring>
#include <mutex>

#include "shim/log/output.h"

namespace pqleash::log {

namespace {

class OutputPlace : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit OutputPlace(const char* place) : output_(place) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    output_.Write(line.data(), line.size());
  }
  void flush_() override {}

 private:
  const Output output_;
};

// RFC 3164 datagrams to /dev/log. Not syslog(3): it shares its ident, its options and an open
// socket with the host.
class SyslogPlace : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    spdlog::memory_buf_t text;
    fmt::format_to(std::back_inserter(text), "<{}>pqleash[{}]: {}",
                   LOG_DAEMON | Priority(message.level), getpid(),
                   fmt::string_view(message.payload.data(), message.payload.size()));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, "/dev/log");  // NOLINT: it fits
    sendto(fd, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
           sizeof(address));
    close(fd);
  }
  void flush_() override {}

 private:
  static int Priority(spdlog::level::level_enum level) {
    if (level >= spdlog::level::err) return LOG_ERR;
    if (level == spdlog::level::warn) return LOG_WARNING;
    return level == spdlog::level::info ? LOG_INFO : LOG_DEBUG;
  }
};

}  // namespace

std::shared_ptr<spdlog::sinks::sink> OpenPlace(const std::string& name, bool bare) {
  if (name == "off") return nullptr;
  if (name == "syslog") return std::make_shared<SyslogPlace>();
  auto place = std::make_shared<OutputPlace>(name.c_str());
  // UTC: the local zone would make libc read the host's TZ files.
  place->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      bare ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ pqleash[%P] %l: %v", spdlog::pattern_time_type::utc));
  return place;
}

}  // namespace pqleash::log
