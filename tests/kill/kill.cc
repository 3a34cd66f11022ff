// SPDX-License-Identifier: Apache-2.0
//
// kill_anywhere [--kills N] [--seconds S] [--seed SEED]: hosts are killed with SIGKILL at random
// moments, and after each death its ledger is read and compared with what the host knew of itself.
// Ends with 1 where anything was found that LEDGER.md does not allow.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "reporter/snapshot/board_files.h"
#include "reporter/snapshot/ledger_directory.h"
#include "reporter/snapshot/ledger_reader.h"
#include "tests/kill/truth.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/violations.h"

namespace pqleash::testing {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  uint64_t kills = 10'000;
  double seconds = 1e9;  // whichever is over first
  uint32_t seed = std::random_device{}();
};

// The driver, with its ledgers in one directory.
class Driver {
 public:
  explicit Driver(const std::string& truth, const std::string& ledgers, const std::string& config) {
    int in[2];
    int out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) abort();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      setenv("LD_LIBRARY_PATH", PQLEASH_TEST_STANDIN_DIR, 1);
      setenv("LD_PRELOAD", PQLEASH_TEST_LIBRARY, 1);
      setenv("PQLEASH_DIR", ledgers.c_str(), 1);
      setenv("PQLEASH_CONFIG", config.c_str(), 1);
      setenv("PQLEASH_KEEP_DEAD", "8", 1);
      execl(PQLEASH_TEST_DRIVER, PQLEASH_TEST_DRIVER, truth.c_str(), PQLEASH_TEST_PLUGIN, nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }
  ~Driver() {
    close(to_);
    close(from_);
    waitpid(pid_, nullptr, 0);
  }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  int32_t Tell(const Order& order) const {
    Reply reply = {};
    if (write(to_, &order, sizeof(order)) != sizeof(order) ||
        read(from_, &reply, sizeof(reply)) != sizeof(reply)) {
      printf("the driver is gone\n");
      exit(1);
    }
    return reply.value;
  }

 private:
  pid_t pid_;
  int to_;
  int from_;
};

// Sums over the threads of a host: what was done for certain, and what may have been under way.
struct Known {
  uint64_t opened = 0, failed = 0, closed = 0, connecting = 0, finishing = 0;

  explicit Known(const HostTruth& truth) {
    for (const ThreadTruth& thread : truth.threads) {
      opened += thread.opened;
      failed += thread.failed;
      closed += thread.closed;
      connecting += thread.connecting - thread.opened - thread.failed;
      finishing += thread.finishing - thread.closed;
    }
  }
};

class Checker {
 public:
  explicit Checker(Violations* violations) : violations_(*violations) {}

  void CheckLedger(const std::string& directory, pid_t pid, const HostTruth& truth) {
    const Known known(truth);
    const reporter::LedgerListing listing = reporter::ListLedgers({directory});
    for (const auto& problem : listing.problems)
      violations_.Add("directory", "%s", problem.sentence.c_str());
    for (const reporter::LedgerEntry& entry : listing.entries) {
      if (entry.name.pid != pid) continue;
      const reporter::LedgerResult result = reporter::ReadLedger(AT_FDCWD, entry.path, entry.path);
      if (const auto* snapshot = std::get_if<reporter::Snapshot>(&result)) {
        ++ledgers_;
        return Compare(*snapshot, known);
      }
      const auto& error = std::get<reporter::LedgerError>(result);
      if (error.kind != reporter::LedgerError::Kind::kNotYetWritten)
        return violations_.Add("ledger", "%s", error.sentence.c_str());
    }
    // Killed before there was one.
    ++early_;
    if (known.opened + known.failed > 0)
      violations_.Add("no ledger", "of a process that had connected %lu times",
                      known.opened + known.failed);
  }

  void CheckBoard(const std::string& directory) {
    const reporter::BoardListing listing = reporter::ReadSharedBoards({directory});
    for (const auto& problem : listing.problems)
      violations_.Add("board", "%s", problem.sentence.c_str());
    for (const reporter::SharedBoard& board : listing.boards) {
      repairs_ += board.snapshot.repairs - std::exchange(repairs_here_, board.snapshot.repairs);
      for (const reporter::BoardPolicy& policy : board.snapshot.policies) {
        if (policy.counters.peak > policy.rule.limit)
          violations_.Add("cap", "%lu of %lu", policy.counters.peak,
                          static_cast<unsigned long>(policy.rule.limit));
      }
    }
  }

  // When nobody is at work, and whoever came last has put right what the dead left in the lock.
  void CheckQuietBoard(const std::string& directory) {
    for (const reporter::SharedBoard& board : reporter::ReadSharedBoards({directory}).boards) {
      std::map<uint32_t, uint64_t> held;
      for (const reporter::BoardHolder& holder : board.snapshot.holders)
        held[holder.policy] += holder.count;
      for (const reporter::BoardPolicy& policy : board.snapshot.policies) {
        if (policy.counters.use != held[policy.number])
          violations_.Add("use", "%lu at a policy where %lu entries are", policy.counters.use,
                          held[policy.number]);
        uint64_t waiting = 0;
        for (const reporter::BoardWaiter& waiter : board.snapshot.waiters)
          waiting += waiter.policies >> policy.number & 1;
        if (policy.counters.waiting != waiting)
          violations_.Add("waiting", "%lu at a policy where %lu entries are",
                          policy.counters.waiting, waiting);
      }
    }
  }

  void BeginDirectory() { repairs_here_ = 0; }

  void Print() const {
    printf(
        "ledgers read %lu, killed before there was one %lu, slots in motion %lu, connects under "
        "way %lu, closes under way %lu, connections opened %lu, deaths inside of the board's "
        "lock %lu\n",
        ledgers_, early_, in_motion_, connecting_, finishing_, opened_, repairs_);
  }
  // Kills that fell into something are what is tried.
  bool TriedAnything() const { return ledgers_ > 0 && connecting_ > 0 && opened_ > 0; }

 private:
  void Within(const char* what, uint64_t value, uint64_t least, uint64_t most) {
    if (value < least || value > most)
      violations_.Add(what, "the ledger says %lu, the process knows of %lu to %lu", value, least,
                      most);
  }

  void Compare(const reporter::Snapshot& snapshot, const Known& known) {
    const reporter::Totals& totals = snapshot.totals;
    in_motion_ += snapshot.in_motion;
    connecting_ += known.connecting;
    finishing_ += known.finishing;
    opened_ += known.opened;
    const uint64_t missed = totals.unrecorded_connections;
    const uint64_t moving = known.connecting + known.finishing;
    Within("opened", totals.opened + missed, known.opened,
           known.opened + known.connecting + missed);
    Within("failed", totals.failed + missed, known.failed,
           known.failed + known.connecting + missed);
    Within("closed", totals.closed + missed, known.closed, known.closed + known.finishing + missed);
    Within("open", totals.open + moving, totals.opened - totals.closed,
           totals.opened - totals.closed + 2 * moving);
    uint64_t open = 0;
    for (const reporter::Connection& connection : snapshot.connections) {
      open += reporter::IsOpen(connection) ? 1 : 0;
      CheckConnection(snapshot, connection);
    }
    Within("open connections", open + snapshot.in_motion + missed,
           known.opened - known.closed - known.finishing,
           known.opened - known.closed + known.connecting + snapshot.in_motion + missed);
    if (snapshot.in_motion > kThreads)
      violations_.Add("in motion", "%lu slots of %d threads", snapshot.in_motion, kThreads);
    uint64_t by_site = 0;
    uint64_t failed_by_site = 0;
    for (const reporter::CallSite& site : snapshot.call_sites) {
      by_site += site.opened;
      failed_by_site += site.failed;
      if (site.id != 0 && site.frame_count == 0)
        violations_.Add("call site", "%016lx has no frames", site.id);
    }
    Within("opened by call site", by_site + moving, totals.opened, totals.opened + moving);
    Within("failed by call site", failed_by_site + moving, totals.failed, totals.failed + moving);
    for (const std::string& warning : snapshot.warnings) {
      // The room for stacks is used up on purpose; what is in motion is counted above.
      if (warning.find("have no call site") == std::string::npos &&
          warning.find("connections were in motion") == std::string::npos &&
          warning.find("1 modules were in motion") == std::string::npos)
        violations_.Add("warning", "%s", warning.c_str());
    }
  }

  void CheckConnection(const reporter::Snapshot& snapshot, const reporter::Connection& connection) {
    if (connection.call_site >= snapshot.call_sites.size())
      return violations_.Add("connection", "of call site %u of %zu", connection.call_site,
                             snapshot.call_sites.size());
    const reporter::CallSite& site = snapshot.call_sites[connection.call_site];
    if (site.id == 0 && snapshot.totals.unrecorded_stacks == 0)
      violations_.Add("connection", "without a stack");
    if (site.frame_count > 0 &&
        uint64_t{site.first_frame} + site.frame_count > snapshot.frames.size())
      violations_.Add("call site", "frames beyond the last");
    const bool established = connection.state == reporter::ConnectionState::kEstablished;
    if (established && (connection.handle == 0 || connection.established_ns == 0))
      violations_.Add("connection", "established without a handle or a time");
    if (connection.state == reporter::ConnectionState::kInherited ||
        connection.state == reporter::ConnectionState::kBroken)
      violations_.Add("state", "%d, which no connection was in",
                      static_cast<int>(connection.state));
  }

  Violations& violations_;
  uint64_t ledgers_ = 0, early_ = 0, in_motion_ = 0, connecting_ = 0, finishing_ = 0, opened_ = 0;
  uint64_t repairs_ = 0;
  uint64_t repairs_here_ = 0;  // as the board of the directory said last
};

constexpr uint64_t kKillsOfADirectory = 250;
constexpr uint64_t kKillsBetweenQuestions = 10;
constexpr uint64_t kKillsBetweenReports = 500;

class Trial {
 public:
  Trial(const Options& options, Violations* violations)
      : options_(options), violations_(*violations), checker_(violations), random_(options.seed) {
    std::ofstream(config_) << "[ledger]\ncall_sites = 1024\n\n[[cap]]\nname = \"few\"\n"
                           << "dbname = \"scarce\"\nlimit = " << kPlaces
                           << "\nscope = \"service\"\non_limit = \"wait\"\nwait_timeout = \"20s\"\n"
                           << "\n[[cap]]\nname = \"own\"\nlimit = 1000\n"
                           << "\n[[cap]]\nname = \"wide\"\nlimit = 1000\nscope = \"user\"\n";
    const int fd = open(truth_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (ftruncate(fd, sizeof(Truth)) != 0) abort();
    truth_ = static_cast<Truth*>(
        mmap(nullptr, sizeof(Truth), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
  }
  ~Trial() { munmap(truth_, sizeof(Truth)); }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  void Run() {
    const auto begin = Clock::now();
    const auto elapsed = [&] {
      return std::chrono::duration<double>(Clock::now() - begin).count();
    };
    uint64_t kills = 0;
    while (kills < options_.kills && elapsed() < options_.seconds && violations_.none()) {
      const TemporaryDirectory ledgers("/dev/shm");
      const Driver driver(truth_path_, ledgers.path(), config_);
      checker_.BeginDirectory();
      for (uint64_t here = 0;
           here < kKillsOfADirectory && kills < options_.kills && elapsed() < options_.seconds;
           here += 2) {
        KillTwo(driver, ledgers.path());
        kills += 2;
        checker_.CheckBoard(ledgers.path());
        if (here % kKillsBetweenQuestions == 0) AskForPlaces(driver, ledgers.path());
        if (kills % kKillsBetweenReports == 0) Report(ledgers.path());
      }
      AskForPlaces(driver, ledgers.path());
      CheckFiles(ledgers.path());
    }
    printf("%lu kills in %.1f s; places asked for %lu times, longest %.0f ms\n", kills, elapsed(),
           questions_, longest_ * 1e3);
    checker_.Print();
    if (!checker_.TriedAnything()) violations_.Add("trial", "no kill fell into anything");
  }

 private:
  // A third of the deaths is in the first milliseconds, in which all is made.
  void Linger() {
    const uint32_t most = random_() % 3 == 0 ? 2'000 : 12'000;
    usleep(static_cast<useconds_t>(random_() % most));  // not a wait: the moment is what is tried
  }

  // Two hosts share the board; one goes on while the other is dead.
  void KillTwo(const Driver& driver, const std::string& directory) {
    memset(static_cast<void*>(truth_), 0, sizeof(Truth));
    pid_t pids[2];
    for (int i = 0; i < 2; ++i)
      pids[i] = driver.Tell({Order::kStart, i, static_cast<uint32_t>(random_())});
    for (int i = 0; i < 2; ++i) {
      Linger();
      kill(pids[i], SIGKILL);
      const int status = driver.Tell({Order::kWait, pids[i], 0});
      if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        violations_.Add("host", "ended by itself with wait status %d", status);
      checker_.CheckLedger(directory, pids[i], truth_->hosts[i]);
    }
  }

  void AskForPlaces(const Driver& driver, const std::string& directory) {
    const auto begin = Clock::now();
    const pid_t pid = driver.Tell({Order::kAsk, 2, 0});
    const int status = driver.Tell({Order::kWait, pid, 0});
    longest_ = std::max(longest_, std::chrono::duration<double>(Clock::now() - begin).count());
    ++questions_;
    if (status != 0) violations_.Add("places", "not all are free again: wait status %d", status);
    checker_.CheckQuietBoard(directory);
  }

  void Report(const std::string& directory) {
    const Outcome report = RunToEnd(
        {.arguments = {PQLEASH_TEST_TOOL, "report", "--all", "--no-scan", "--format", "json"},
         .environment = {{"PQLEASH_DIR", directory}}});
    if (report.exit_code != 0)
      violations_.Add("report", "%s: %s", HowItEnded(report).c_str(), report.err.c_str());
  }

  // What is left behind is bounded, and nothing but ledgers and the board.
  void CheckFiles(const std::string& directory) {
    uint64_t ledgers = 0;
    uint64_t others = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (entry.path().extension() == ".ledger") {
        ++ledgers;
      } else if (entry.path().extension() != ".board") {
        ++others;
      }
    }
    if (ledgers > 32) violations_.Add("files", "%lu ledgers are left", ledgers);
    if (others > 0) violations_.Add("files", "%lu files are left that nobody removes", others);
  }

  const Options options_;
  Violations& violations_;
  Checker checker_;
  std::minstd_rand random_;
  const TemporaryDirectory directory_;
  const std::string config_ = directory_ / "kill.toml";
  const std::string truth_path_ = directory_ / "truth";
  Truth* truth_ = nullptr;
  uint64_t questions_ = 0;
  double longest_ = 0;
};

}  // namespace
}  // namespace pqleash::testing

int main(int argc, char** argv) {
  pqleash::testing::Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--kills") options.kills = strtoull(argv[i + 1], nullptr, 10);
    if (name == "--seconds") options.seconds = strtod(argv[i + 1], nullptr);
    if (name == "--seed") options.seed = static_cast<uint32_t>(strtoul(argv[i + 1], nullptr, 10));
  }
  setvbuf(stdout, nullptr, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  printf("seed %u\n", options.seed);
  pqleash::testing::Violations violations;
  pqleash::testing::Trial(options, &violations).Run();
  return violations.none() ? 0 : 1;
}
