// SPDX-License-Identifier: Apache-2.0

#include "tests/serve/served.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "reporter/snapshot/proc_files.h"
#include "tests/support/wait_until.h"

namespace pqleash::testing {

using reporter::LedgerBuilder;

Sleeper::Sleeper() : pid_(fork()) {
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ != 0) return;
  for (;;) pause();
}

void Sleeper::End() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

namespace {

LedgerBuilder LedgerHere(pid_t pid, uint64_t start_ticks, const std::string& service) {
  LedgerBuilder builder;
  builder.header.pid = pid;
  builder.header.start_ticks = start_ticks;
  builder.header.uid = geteuid();
  builder.header.pid_namespace =
      reporter::NamespaceInode(reporter::ReadLink("/proc/self/ns/pid").value()).value();
  reporter::ReadProcFile("/proc/sys/kernel/random/boot_id")
      .value()
      .copy(builder.header.boot_id, 36);
  service.copy(builder.header.service, sizeof builder.header.service - 1);
  builder.header.service[service.size()] = '\0';
  return builder;
}

}  // namespace

LedgerBuilder LedgerOf(pid_t pid, const std::string& service) {
  const std::string stat = "/proc/" + std::to_string(pid) + "/stat";
  return LedgerHere(pid, reporter::StartTicks(reporter::ReadProcFile(stat).value()).value(),
                    service);
}

LedgerBuilder LedgerOfDead(uint64_t number, const std::string& service) {
  return LedgerHere(2'000'000'000, 1 + number, service);
}

std::string Write(const LedgerBuilder& builder, const std::string& directory) {
  const std::string path = directory + '/' + std::to_string(builder.header.pid) + '-' +
                           std::to_string(builder.header.start_ticks) + ".ledger";
  builder.WriteTo(path + ".new");
  std::filesystem::rename(path + ".new", path);
  return path;
}

Samples SamplesIn(const std::string& text) {
  Samples samples;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty() || line.front() == '#') continue;
    const size_t space = line.rfind(' ');
    char* rest = nullptr;
    const double value =
        space == std::string::npos ? 0 : std::strtod(line.c_str() + space + 1, &rest);
    if (rest == nullptr || *rest != '\0') {
      ADD_FAILURE() << "no sample: " << line;
      continue;
    }
    if (!samples.emplace(line.substr(0, space), value).second) ADD_FAILURE() << "twice: " << line;
  }
  return samples;
}

Served::Served(const Words& options, const std::string& listen)
    : ledgers_(directory_ / "ledgers"), options_(options), listen_(listen) {
  std::filesystem::create_directory(ledgers_);
  std::filesystem::permissions(ledgers_, std::filesystem::perms::owner_all);
}

bool Served::Start() {
  Words words = {PQLEASH_TEST_TOOL, "serve",  "--listen",        listen_, "--interval", "1s",
                 "--dir",           ledgers_, "--scan-interval", "off"};
  words.insert(words.end(), options_.begin(), options_.end());
  process_.emplace(Command{.arguments = words, .limit = std::chrono::minutes(4)});
  if (!process_->WaitForOutput("\n")) {
    const Outcome& outcome = process_->Wait();
    ADD_FAILURE() << HowItEnded(outcome) << ": " << outcome.err;
    return false;
  }
  const std::string& line = process_->output();
  url_ = line.substr(line.find("http"), line.find('\n') - line.find("http"));
  port_ = std::atoi(url_.c_str() + url_.rfind(':') + 1);  // NOLINT(cert-err34-c): from the tool
  return WaitUntil([this] { return Get("/healthz").status == 200; });
}

httplib::Response Served::Get(const std::string& path, const httplib::Headers& headers) const {
  httplib::Client client(url_);
  client.enable_server_certificate_verification(false);
  client.set_read_timeout(30, 0);
  httplib::Result result = client.Get(path, headers);
  return result ? *result : httplib::Response();
}

Samples Served::Metrics() const {
  const httplib::Response response = Get("/metrics");
  EXPECT_EQ(response.status, 200) << response.body;
  return SamplesIn(response.body);
}

::testing::AssertionResult Served::Becomes(const std::string& sample, double value) const {
  Samples samples;
  const bool became = WaitUntil([&] {
    samples = Metrics();
    return samples.contains(sample) && samples[sample] == value;
  });
  if (became) return ::testing::AssertionSuccess();
  ::testing::AssertionResult failure = ::testing::AssertionFailure();
  failure << sample << " did not become " << value << "; there is\n";
  for (const auto& [name, number] : samples) failure << "  " << name << ' ' << number << '\n';
  return failure;
}

int Served::Connect() const {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const struct sockaddr*>(&address), sizeof address) != 0) {
    ADD_FAILURE() << "cannot connect to port " << port_;
  }
  return fd;
}

std::string Served::Exchange(const std::string& bytes) const {
  const int fd = Connect();
  // It may have answered, and closed, before all was sent.
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t put = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (put <= 0) break;
    sent += static_cast<size_t>(put);
  }
  std::string answer;
  char chunk[4096];
  for (;;) {
    struct pollfd polled = {fd, POLLIN, 0};
    if (poll(&polled, 1, 20'000) <= 0) break;
    const ssize_t got = recv(fd, chunk, sizeof chunk, 0);
    if (got <= 0) break;
    answer.append(chunk, static_cast<size_t>(got));
  }
  close(fd);
  return answer;
}

}  // namespace pqleash::testing
