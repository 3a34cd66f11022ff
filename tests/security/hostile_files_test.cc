// SPDX-License-Identifier: Apache-2.0
//
// `pqleash` where an attacker has prepared what it reads: directories, ledgers, what ledgers name,
// and where it is started. Each row ends by itself, in time, and says what it did not read.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/reporter/ledger_builder.h"
#include "tests/support/lateness.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"

namespace pqleash::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr uid_t kNobody = 65'534;

Outcome Tool(const Words& words, const std::string& directory = {}) {
  Command command = {.arguments = {PQLEASH_TEST_TOOL}, .directory = directory};
  command.arguments.insert(command.arguments.end(), words.begin(), words.end());
  command.environment["PQLEASH_DIR"] = std::nullopt;
  command.limit = std::chrono::seconds(20);
  return RunToEnd(command);
}

class HostileFiles : public ::testing::Test {
 protected:
  HostileFiles() {
    fs::create_directory(ledgers_);
    fs::permissions(ledgers_, fs::perms::owner_all);
  }

  Outcome Report(const std::string& format = "text") const {
    return Tool({"report", "--all", "--no-scan", "--dir", ledgers_, "--format", format});
  }

  std::string Ledger(int number) const {
    return ledgers_ + "/2000000000-" + std::to_string(number) + ".ledger";
  }

  const TemporaryDirectory directory_;
  const std::string ledgers_ = directory_ / "ledgers";
};

TEST_F(HostileFiles, WhatIsNoLedgerIsNamedAndTakesNoTime) {
  std::ofstream(directory_ / "secret") << "root:s3cr3t:1:0:99999:7:::\n";
  ASSERT_EQ(symlink((directory_ / "secret").c_str(), Ledger(1).c_str()), 0);
  ASSERT_EQ(link((directory_ / "secret").c_str(), Ledger(2).c_str()), 0);
  ASSERT_EQ(mkfifo(Ledger(3).c_str(), 0600), 0);
  ASSERT_EQ(mkdir(Ledger(4).c_str(), 0700), 0);
  const int unix_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ASSERT_LT(Ledger(5).size(), sizeof address.sun_path);
  Ledger(5).copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(unix_socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  // As long as the file system lets it be: 8 EiB on tmpfs and xfs, 16 TiB on ext4.
  const std::string sparse = reporter::LedgerBuilder().Bytes();
  std::ofstream(Ledger(6), std::ios::binary) << sparse;
  off_t size = INT64_MAX;
  while (truncate(Ledger(6).c_str(), size) != 0) size -= size / 2;
  ASSERT_GT(size, off_t{1} << 33);
  int last = 6;
  if (mknod(Ledger(7).c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0) last = 7;  // /dev/zero

  const Lateness late;
  const auto begun = std::chrono::steady_clock::now();
  const Outcome outcome = Report();
  close(unix_socket);
  EXPECT_EQ(outcome.exit_code, 1) << HowItEnded(outcome);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  EXPECT_LT(took.count(), late.Allows(10));
  const std::string said = outcome.out + outcome.err;
  for (int i = 1; i <= last; ++i) EXPECT_THAT(said, HasSubstr(Ledger(i)));
  EXPECT_THAT(said, Not(HasSubstr("s3cr3t")));
  EXPECT_THAT(said, HasSubstr("is a symbolic link"));
}

TEST_F(HostileFiles, ABoardThatIsNoneIsNamedAndTakesNoTime) {
  ASSERT_EQ(mkfifo((ledgers_ + "/caps-1-4026531836.board").c_str(), 0600), 0);
  std::ofstream(directory_ / "secret") << "s3cr3t";
  ASSERT_EQ(
      symlink((directory_ / "secret").c_str(), (ledgers_ + "/caps-1-4026531837.board").c_str()), 0);
  const Outcome outcome = Tool({"caps", "--dir", ledgers_});
  EXPECT_EQ(outcome.exit_code, 1) << HowItEnded(outcome);
  EXPECT_THAT(outcome.err, HasSubstr("caps-1-4026531836.board"));
  EXPECT_THAT(outcome.err, HasSubstr("caps-1-4026531837.board"));
  EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr("s3cr3t")));
}

TEST_F(HostileFiles, FilesThatALedgerNamesAreNeitherWaitedForNorShown) {
  reporter::LedgerBuilder builder;
  std::ofstream(directory_ / "secret") << "root:s3cr3t:1:0:99999:7:::\n";
  const std::string fifo = directory_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  std::vector<uint64_t> stack;
  for (const std::string& path :
       {directory_ / "secret", fifo, std::string("/etc/shadow"), std::string("/dev/zero"),
        std::string("/dev/tty"), std::string("/dev/random"), std::string("/proc/kcore"),
        std::string("/proc/kmsg"), std::string("/proc/self/mem"), std::string("/proc/self/environ"),
        std::string("/dev/stdin"), std::string("/"), std::string("../../../etc/shadow")}) {
    stack.push_back(reporter::ModuleFrame(builder.AddModule(path, ""), 0x1000));
  }
  const uint32_t script = builder.AddScriptFrame(ledger::kPython, "f", directory_ / "secret", 1);
  stack.push_back(reporter::ScriptFrameAt(script));
  builder.AddConnection(builder.AddCallSite(0x99, stack), 0, 1, 2, 3);
  builder.header.exe = builder.AddString(fifo);
  builder.WriteTo(Ledger(1));
  for (const std::string format :
       {"text", "json", "html", "folded", "pprof", "speedscope", "markdown"}) {
    const Outcome outcome = Report(format);
    EXPECT_EQ(outcome.exit_code, 0) << format << ": " << HowItEnded(outcome) << outcome.err;
    EXPECT_THAT(outcome.out, Not(HasSubstr("s3cr3t"))) << format;
    EXPECT_THAT(outcome.out, Not(HasSubstr("root:"))) << format;
  }
}

// A program of somebody else's may name any file as the place of its debug information, which the
// library that reads it opens without a look at what it is.
TEST_F(HostileFiles, DebugInformationOfAnotherUsersProgramIsNotLookedForWhereItSays) {
  if (geteuid() != 0) GTEST_SKIP() << "takes root, who reads what others wrote";
  fs::permissions(directory_.path(), fs::perms::all);
  const std::string subject = directory_ / "subject";
  const std::string debug = directory_ / "subject.debug";
  fs::copy_file(PQLEASH_TEST_NAMED, subject);
  std::ofstream(debug) << "something to make the sum of\n";
  const Outcome objcopy = RunToEnd({.arguments = {PQLEASH_TEST_OBJCOPY, "--strip-debug",
                                                  "--add-gnu-debuglink=" + debug, subject}});
  ASSERT_EQ(objcopy.exit_code, 0) << objcopy.err;
  fs::remove(debug);
  ASSERT_EQ(mkfifo(debug.c_str(), 0644), 0);
  ASSERT_EQ(chown(subject.c_str(), kNobody, kNobody), 0);

  reporter::LedgerBuilder builder;
  const uint32_t module = builder.AddModule(subject, "pqleash!");
  const uint64_t frame = reporter::ModuleFrame(module, 0x1000);
  builder.AddConnection(builder.AddCallSite(0x99, {frame}), 0, 1, 2, 3);
  builder.WriteTo(Ledger(1));
  const Outcome outcome = Report();
  EXPECT_EQ(outcome.exit_code, 0) << HowItEnded(outcome) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(subject));
  EXPECT_THAT(outcome.out, Not(HasSubstr("replaced since"))) << "the file was not looked into";
}

TEST_F(HostileFiles, ADirectoryThatBecomesALinkLeadsNowhereElse) {
  // Of a user with a name that everybody can foretell, as in /dev/shm.
  const std::string own = directory_ / ("pqleash-" + std::to_string(geteuid()));
  const std::string elsewhere = directory_ / "elsewhere";
  for (const std::string& path : {own, elsewhere}) {
    fs::create_directory(path);
    fs::permissions(path, fs::perms::owner_all);
  }
  reporter::LedgerBuilder().WriteTo(own + "/2000000000-1.ledger");
  reporter::LedgerBuilder other;
  const std::string service = "n0t-y0urs";
  service.copy(other.header.service, service.size() + 1);
  other.header.service[service.size()] = '\0';
  other.WriteTo(elsewhere + "/2000000000-1.ledger");

  std::atomic<bool> stop = false;
  std::thread attacker([&] {
    const std::string away = own + ".away";
    const std::string link = own + ".link";
    for (int round = 1; !stop; ++round) {
      fs::rename(own, away);
      symlink(elsewhere.c_str(), own.c_str());
      unlink(own.c_str());
      fs::rename(away, own);
      // Now and then the tool gets in between, whatever the machine does.
      if (round % 16 == 0) usleep(1'000);
    }
  });
  int seen = 0;
  // Sixty times, and on until the tool has been first.
  for (int i = 0; i < 60 || (seen == 0 && i < 600); ++i) {
    const Outcome outcome = Tool({"ps", "--all", "--dir", own});
    seen += outcome.out.find("orders") != std::string::npos ? 1 : 0;
    EXPECT_THAT(outcome.out, Not(HasSubstr(service)));
  }
  stop = true;
  attacker.join();
  EXPECT_GT(seen, 0) << "the attacker was always first: nothing was tried";
}

TEST_F(HostileFiles, TheDirectoryThatItIsStartedInDoesNotMatter) {
  reporter::ExampleLedger().WriteTo(Ledger(1));
  const std::string quiet = directory_ / "quiet";
  const std::string prepared = directory_ / "prepared";
  fs::create_directory(quiet);
  fs::create_directories(prepared + "/.debug");
  const std::string ran = directory_ / "ran";
  for (const char* name : {"libpqleash.so", "libpq.so.5", "libdw.so.1", "libc.so.6", "sh",
                           "pqleash.toml", ".pqleash.toml", "pqleash.conf", "libdebuginfod.so.1"}) {
    const std::string path = prepared + '/' + name;
    std::ofstream(path) << "#!/bin/sh\ntouch " << ran << "\nlimit = -1\n";
    fs::permissions(path, fs::perms::all);
  }
  for (const Words& words :
       {Words{"report", "--all", "--no-scan", "--dir", ledgers_, "--format", "folded"},
        Words{"check"}, Words{"ps", "--all", "--dir", ledgers_, "--format", "json"},
        Words{"run", "--", "true"}, Words{"caps", "--dir", ledgers_}}) {
    const Outcome here = Tool(words, quiet);
    const Outcome there = Tool(words, prepared);
    EXPECT_EQ(there.exit_code, here.exit_code) << words[0];
    EXPECT_EQ(there.out.size(), here.out.size()) << words[0] << ": " << there.out;
    EXPECT_EQ(there.err, here.err) << words[0];
  }
  EXPECT_FALSE(fs::exists(ran));
}

// The server that would be asked is that of whoever runs `pqleash`, and of nobody else.
TEST_F(HostileFiles, AnObservedProgramsServerOfDebugInformationIsNotAsked) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 5), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  Subprocess program(
      {.arguments = {PQLEASH_TEST_NAMED, "shop"},
       .environment = {{"LD_PRELOAD", PQLEASH_TEST_LIBRARY},
                       {"PQLEASH_DIR", ledgers_},
                       {"DEBUGINFOD_URLS",
                        "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port))}},
       .hold_input = true});
  ASSERT_TRUE(program.WaitForOutput("ready"));
  const Outcome outcome = RunToEnd({.arguments = {PQLEASH_TEST_TOOL, "report", "--dir", ledgers_},
                                    .environment = {{"DEBUGINFOD_URLS", std::nullopt}}});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("main")) << "nothing was symbolised";
  pollfd waiting = {listener, POLLIN, 0};
  EXPECT_EQ(poll(&waiting, 1, 0), 0) << "somebody has connected";
  close(listener);
  program.CloseInput();
  program.Wait();
}

}  // namespace
}  // namespace pqleash::testing
