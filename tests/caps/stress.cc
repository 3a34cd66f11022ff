// SPDX-License-Identifier: Apache-2.0
//
// Caps under stress: kProcesses processes of kThreads threads on a cap of kLimit connections of
// their service, blocking and asynchronous connects mixed, while processes are killed at random and
// started again. To be run by scripts/with-postgres:
//
//   caps_stress [SECONDS]      60 by default; PQLEASH_STRESS_SECONDS says otherwise, too
//
// What is asserted, and how it can be exact:
//
//  1. The board: `use` is read every millisecond, and never above the limit. So is `peak`, which is
//     kept under the board's lock.
//  2. The clients' own log: at no moment were there more than kLimit connections between the return
//     of the connect and the call of PQfinish, or the kill. Nothing is tolerated: a place is taken
//     before the connect and given back in PQfinish.
//  3. The server: of the backends in pg_stat_activity, at most kLimit are such whose client neither
//     had called PQfinish nor had been sent SIGKILL by the end of the query. Nothing is tolerated.
//     The others end by themselves a moment later, after libpq's Terminate message: each must be
//     gone kLingering after its client let go.
//     A backend names its client by its application_name: process, generation and thread.
//  4. Order: a connect that waits on the board with a smaller ticket than one that holds a place is
//     looked for every millisecond. Tickets are the order of arrival. By the clients' clocks:
//     nobody who called kArrived later was answered kAnswered earlier. These two are what a thread
//     may be kept from a processor between the clock and the board, and what a connect takes.
//  5. Time-outs: no refused connect took more than kTimeoutNs + 100 ms, and no connect that was let
//     go has waited for longer, by the board's own longest wait.
//     Nobody is refused before his time but where the library could not park a connect, which it
//     leaves at once when its own lock is not to be had: one in a thousand is tolerated.
//     The bounds of 3, 4 and 5 are those of a machine that makes nobody late. This program has a
//     sleeper on each processor, and grants a multiple of the latest that one of them was.
//  6. In the end use and waiting are 0, and a fresh process takes the whole limit at once.

#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/caps/board_view.h"
#include "tests/caps/stress_log.h"
#include "tests/support/lateness.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/violations.h"

namespace pqleash::stress {
namespace {

using testing::Violations;

using pqleash::testing::MappedBoard;

constexpr uint64_t kMillisecond = 1'000'000;
// On a machine that makes nobody late: see Allowed.
constexpr uint64_t kSlack = 100 * kMillisecond;
constexpr uint64_t kLingering = 250 * kMillisecond;
constexpr uint64_t kArrived = 50 * kMillisecond;
constexpr uint64_t kAnswered = 250 * kMillisecond;

double Milliseconds(uint64_t ns) { return static_cast<double>(ns) / 1e6; }

struct Backend {
  int process;
  uint32_t generation;
  int thread;
  int32_t pid;
};

// An answer of pg_stat_activity.
struct Sample {
  uint64_t asked;
  uint64_t answered;
  std::vector<Backend> backends;
};

// -------------------------------------------------------------------------------------------------
// The board, while it goes on.

class BoardWatch {
 public:
  BoardWatch(const std::string& directory, Violations* violations)
      : directory_(directory), violations_(*violations) {}

  void Look() {
    if (board_ == nullptr) {
      board_ = MappedBoard::Open(pqleash::testing::SharedBoardIn(directory_));
      if (board_ == nullptr) return;
    }
    const caps::Record* record = board_->Find("stress");
    if (record == nullptr) return;
    ++looks_;
    const uint32_t use = __atomic_load_n(&record->use, __ATOMIC_ACQUIRE);
    if (use > kLimit) violations_.Add("use above the limit", "%u", use);
    LookForOvertaking();
  }

  // Of a place that is held the ticket is read first: what waits with a smaller one after that has
  // been overtaken, whatever happens in between.
  void LookForOvertaking() {
    uint64_t largest = 0;
    const uint32_t used = board_->entries_used();
    for (uint32_t i = 1; i <= used; ++i) {
      uint64_t ticket = 0;
      const uint32_t state = Stable(i, &ticket);
      if (state == caps::kEntryGranted || state == caps::kEntryHeld)
        largest = std::max(largest, ticket);
    }
    for (uint32_t i = 1; i <= used; ++i) {
      uint64_t ticket = 0;
      if (Stable(i, &ticket) == caps::kEntryWaiting && ticket < largest) {
        violations_.Add("overtaken on the board", "ticket %" PRIu64 " waits, %" PRIu64 " went",
                        ticket, largest);
      }
    }
  }

  const caps::Record* record() const {
    return board_ != nullptr ? board_->Find("stress") : nullptr;
  }
  const MappedBoard* board() const { return board_.get(); }
  uint64_t looks() const { return looks_; }

 private:
  // The state of an entry and the ticket that goes with it; kEntryFree where it changes meanwhile.
  uint32_t Stable(uint32_t number, uint64_t* ticket) const {
    const caps::Entry& entry = board_->entry(number);
    const uint64_t before = __atomic_load_n(&entry.ticket, __ATOMIC_ACQUIRE);
    const uint32_t word = __atomic_load_n(&entry.word, __ATOMIC_ACQUIRE);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    *ticket = __atomic_load_n(&entry.ticket, __ATOMIC_ACQUIRE);
    const uint32_t again = __atomic_load_n(&entry.word, __ATOMIC_ACQUIRE);
    if (before != *ticket || word != again || before == 0) return caps::kEntryFree;
    return caps::StateOf(word);
  }

  const std::string directory_;
  Violations& violations_;
  std::unique_ptr<MappedBoard> board_;
  uint64_t looks_ = 0;
};

// -------------------------------------------------------------------------------------------------
// The server, while it goes on. By a connection that is not under the library.

class ServerWatch {
 public:
  ServerWatch() : conn_(PQconnectdb("application_name=watch")) {}
  ~ServerWatch() { PQfinish(conn_); }
  ServerWatch(const ServerWatch&) = delete;
  ServerWatch& operator=(const ServerWatch&) = delete;

  bool connected() const { return PQstatus(conn_) == CONNECTION_OK; }

  void Look() {
    Sample sample = {};
    sample.asked = Now();
    PGresult* result = PQexec(conn_,
                              "SELECT pid, application_name FROM pg_stat_activity WHERE "
                              "application_name LIKE 'stress-%'");
    sample.answered = Now();
    for (int row = 0; row < PQntuples(result); ++row) {
      Backend backend = {};
      backend.pid = static_cast<int32_t>(strtol(PQgetvalue(result, row, 0), nullptr, 10));
      if (sscanf(PQgetvalue(result, row, 1), "stress-%d-%u-%d", &backend.process,
                 &backend.generation, &backend.thread) == 3)
        sample.backends.push_back(backend);
    }
    PQclear(result);
    samples_.push_back(sample);
  }
  const std::vector<Sample>& samples() const { return samples_; }

 private:
  PGconn* conn_;
  std::vector<Sample> samples_;
};

// -------------------------------------------------------------------------------------------------
// The run.

class Stress {
 public:
  explicit Stress(double seconds) : seconds_(seconds), board_(ledgers(), &violations_) {}

  int Run() {
    if (!Prepare()) return 2;
    const uint64_t begin = Now();
    const auto end = begin + static_cast<uint64_t>(seconds_ * 1e9);
    std::thread watch([this, end] { WatchServer(end); });
    for (int process = 0; process < kProcesses; ++process) StartProcess(process);
    KillAtRandom(end);
    __atomic_store_n(&log_->stop, 1, __ATOMIC_RELEASE);
    watch.join();
    for (int process = 0; process < kProcesses; ++process) waitpid(pids_[process], nullptr, 0);
    CheckNothingIsLost();
    CheckLog();
    CheckServer();
    Report();
    return violations_.total() == 0 ? 0 : 1;
  }

 private:
  std::string ledgers() const { return directory_ / "ledgers"; }

  bool Prepare() {
    std::ofstream(directory_ / "pqleash.toml")
        << "[[cap]]\nname = \"stress\"\nscope = \"service\"\nlimit = " << kLimit
        << "\non_limit = \"wait\"\nwait_timeout = \"" << kTimeoutNs / kMillisecond << "ms\"\n";
    const std::string path = directory_ / "log";
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(Log)) != 0) return false;
    void* memory = mmap(nullptr, sizeof(Log), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    log_ = memory != MAP_FAILED ? static_cast<Log*>(memory) : nullptr;
    return log_ != nullptr && server_.connected();
  }

  // This program under the library.
  pid_t Spawn(const std::vector<std::string>& words) {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    setenv("LD_PRELOAD", PQLEASH_TEST_LIBRARY, 1);
    setenv("PQLEASH_DIR", ledgers().c_str(), 1);
    setenv("PQLEASH_SERVICE", "stress", 1);
    setenv("PQLEASH_CONFIG", (directory_ / "pqleash.toml").c_str(), 1);
    setenv("PQLEASH_LOG", (directory_ / "pqleash.log").c_str(), 1);
    std::vector<char*> pointers = {const_cast<char*>("caps_stress")};
    for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    execv("/proc/self/exe", pointers.data());
    _exit(127);
  }

  void StartProcess(int process) {
    pids_[process] = Spawn({"--client", directory_ / "log", std::to_string(process),
                            std::to_string(generations_[process])});
  }

  void WatchServer(uint64_t end) {
    while (Now() < end) {
      server_.Look();
      usleep(20'000);
    }
  }

  void KillAtRandom(uint64_t end) {
    std::minstd_rand random(42);
    uint64_t next_kill = Now() + 500 * kMillisecond;
    while (Now() < end) {
      board_.Look();
      usleep(1'000);
      if (Now() < next_kill) continue;
      next_kill = Now() + (50 + random() % 200) * kMillisecond;
      const auto process = static_cast<int>(random() % kProcesses);
      killed_[{process, generations_[process]}] = Now();
      kill(pids_[process], SIGKILL);
      waitpid(pids_[process], nullptr, 0);
      ++generations_[process];
      ++kills_;
      StartProcess(process);
    }
  }

  uint64_t KilledAt(int process, uint32_t generation) const {
    const auto found = killed_.find({process, generation});
    return found != killed_.end() ? found->second : UINT64_MAX;
  }

  // --- in the end ---

  void CheckNothingIsLost() {
    const uint64_t deadline = Now() + 1'000 * kMillisecond;
    const auto busy = [this] {
      const auto state = pqleash::testing::StateOf(ledgers(), "stress");
      return state.use != 0 || state.waiting != 0;
    };
    // What the last kill left is found by whoever comes next.
    while (busy() && Now() < deadline) usleep(1'000);
    const auto left = pqleash::testing::StateOf(ledgers(), "stress");
    if (left.waiting != 0) violations_.Add("somebody waits in the end", "%u", left.waiting);
    int status = 0;
    waitpid(Spawn({"--take-all"}), &status, 0);
    if (status != 0)
      violations_.Add("a place was lost", "the fresh process says %d", WEXITSTATUS(status));
    const auto after = pqleash::testing::StateOf(ledgers(), "stress");
    if (after.use != 0) violations_.Add("a place was lost", "use %u after the end", after.use);
    const caps::Record* record = board_.record();
    if (record == nullptr) {
      violations_.Add("no board", "%s", ledgers().c_str());
      return;
    }
    if (record->peak > kLimit) violations_.Add("use above the limit", "peak %u", record->peak);
    if (record->longest_wait_ns > kTimeoutNs + Allowed(kSlack))
      violations_.Add("waited too long", "by the board: %.1f ms",
                      Milliseconds(record->longest_wait_ns));
    if (board_.board()->header().uncounted != 0)
      violations_.Add("uncounted", "%" PRIu64 " connects", board_.board()->header().uncounted);
    if (log_->complaints != 0)
      violations_.Add("failed otherwise", "%u, the first: %s", log_->complaints, log_->complaint);
  }

  // What becomes of a bound on this machine, during this run.
  uint64_t Allowed(uint64_t ns) const {
    return static_cast<uint64_t>(late_.Allows(static_cast<double>(ns) / 1e9) * 1e9);
  }

  template <typename Function>
  void ForEach(const Function& function) const {
    for (int process = 0; process < kProcesses; ++process) {
      for (int thread = 0; thread < kThreads; ++thread) {
        const Thread& of = log_->threads[process][thread];
        for (uint32_t i = 0; i < of.count; ++i) function(process, thread, of.attempts[i]);
      }
    }
  }

  // When the client let go of it, for all that it did.
  uint64_t EndOf(int process, const Attempt& attempt) const {
    const uint64_t killed = KilledAt(process, attempt.generation);
    return attempt.finished != 0 ? std::min(attempt.finished, killed) : killed;
  }

  void CheckLog() {
    std::vector<std::pair<uint64_t, int>> changes;
    std::vector<const Attempt*> answered;
    std::vector<uint64_t> finishes;
    ForEach([&](int process, int, const Attempt& attempt) {
      ++attempts_;
      if (attempt.finished != 0) finishes.push_back(attempt.finished);
      if (attempt.answered == 0) return;
      answered.push_back(&attempt);
      if (attempt.result == kConnected) {
        ++connects_;
        changes.emplace_back(attempt.answered, 1);
        changes.emplace_back(std::max(attempt.answered, EndOf(process, attempt)), -1);
      }
      if (attempt.result != kRefused) return;
      ++refused_;
      const uint64_t took = attempt.let_go - attempt.begun;
      if (took < kTimeoutNs) ++refused_early_;
      longest_refusal_ = std::max(longest_refusal_, took);
      if (took > kTimeoutNs + Allowed(kSlack))
        violations_.Add("waited too long", "refused after %.1f ms, %s", Milliseconds(took),
                        attempt.asynchronous != 0 ? "parked" : "blocking");
    });
    // Of what happens at the same time the ends come first.
    std::sort(changes.begin(), changes.end());
    int held = 0;
    for (const auto& [time, change] : changes) {
      held += change;
      most_held_ = std::max(most_held_, held);
    }
    if (most_held_ > static_cast<int>(kLimit))
      violations_.Add("more than the limit held", "%d at a time", most_held_);
    if (refused_early_ > attempts_ / 1'000)
      violations_.Add("refused before its time", "%" PRIu64 " connects", refused_early_);
    CheckOrder(std::move(answered));
    MeasureHandOver(std::move(finishes));
  }

  void CheckOrder(std::vector<const Attempt*> answered) {
    std::sort(answered.begin(), answered.end(),
              [](const Attempt* a, const Attempt* b) { return a->begun < b->begun; });
    // The earliest that one of those who came no earlier than [i] was connected.
    std::vector<uint64_t> earliest(answered.size() + 1, UINT64_MAX);
    for (size_t i = answered.size(); i-- > 0;) {
      earliest[i] = earliest[i + 1];
      if (answered[i]->result == kConnected)
        earliest[i] = std::min(earliest[i], answered[i]->answered);
    }
    const uint64_t arrived = Allowed(kArrived);
    for (const Attempt* attempt : answered) {
      const auto later =
          std::upper_bound(answered.begin(), answered.end(), attempt->begun + arrived,
                           [](uint64_t time, const Attempt* other) { return time < other->begun; });
      const uint64_t other = earliest[static_cast<size_t>(later - answered.begin())];
      if (other >= attempt->let_go) continue;
      const uint64_t by = attempt->let_go - other;
      uint64_t& longest =
          attempt->asynchronous != 0 ? longest_overtaking_ : longest_overtaking_in_place_;
      longest = std::max(longest, by);
      if (by > Allowed(kAnswered))
        violations_.Add("overtaken by the clock", "by %.1f ms, after %.1f ms, result %u",
                        Milliseconds(by), Milliseconds(attempt->let_go - attempt->begun),
                        attempt->result);
    }
  }

  // From the latest PQfinish before a parked connect was let go.
  void MeasureHandOver(std::vector<uint64_t> finishes) {
    std::sort(finishes.begin(), finishes.end());
    ForEach([&](int, int, const Attempt& attempt) {
      if (attempt.result != kConnected) return;
      const uint64_t waited = attempt.let_go - attempt.begun;
      if (waited < kMillisecond || attempt.asynchronous == 0) return;
      ++parked_;
      const auto after = std::upper_bound(finishes.begin(), finishes.end(), attempt.let_go);
      if (after != finishes.begin()) hand_overs_.push_back(attempt.let_go - *(after - 1));
    });
    std::sort(hand_overs_.begin(), hand_overs_.end());
  }

  // When the client of a backend let go of it; UINT64_MAX: it had not by the end of the run.
  uint64_t LetGo(const Backend& backend, uint64_t asked) const {
    const uint64_t killed = KilledAt(backend.process, backend.generation);
    const Thread& of = log_->threads[backend.process][backend.thread];
    uint64_t let_go = killed;
    for (uint32_t i = 0; i < of.count; ++i) {
      const Attempt& attempt = of.attempts[i];
      if (attempt.generation != backend.generation || attempt.backend != backend.pid) continue;
      // Process ids come again: the latest that was begun before the server was asked.
      if (attempt.begun < asked) let_go = EndOf(backend.process, attempt);
    }
    return let_go;
  }

  void CheckServer() {
    for (const Sample& sample : server_.samples()) {
      uint32_t held = 0;
      for (const Backend& backend : sample.backends) {
        const uint64_t let_go = LetGo(backend, sample.answered);
        if (let_go > sample.answered) {
          ++held;
          continue;
        }
        const uint64_t lingering = sample.asked > let_go ? sample.asked - let_go : 0;
        longest_lingering_ = std::max(longest_lingering_, lingering);
        if (lingering > Allowed(kLingering))
          violations_.Add("a backend lingers", "%.1f ms", Milliseconds(lingering));
      }
      most_backends_ = std::max(most_backends_, sample.backends.size());
      most_at_server_ = std::max(most_at_server_, held);
      if (held > kLimit) violations_.Add("more than the limit at the server", "%u", held);
    }
  }

  void Report() const {
    violations_.Print();
    const caps::Record* record = board_.record();
    const uint64_t p50 = hand_overs_.empty() ? 0 : hand_overs_[hand_overs_.size() / 2];
    printf(
        "caps_stress: %.0f s, %" PRIu64 " attempts, %" PRIu64 " connects, %" PRIu64
        " refused after their time-out and %" PRIu64 " before, %u kills, %" PRIu64
        " waits (%" PRIu64
        " parked were let go), longest wait %.1f ms of %.0f ms, longest refusal %.1f ms, peak use "
        "%u of %u, most held %d, board looked at %" PRIu64
        " times, server %zu times: most backends %zu, of these held %u, longest lingering %.1f ms, "
        "repairs of the board %" PRIu64
        ", furthest overtaken by the clock %.1f ms parked and %.1f ms in place, hand-over p50 %.0f "
        "us, violations %" PRIu64 "\n",
        seconds_, attempts_, connects_, refused_ - refused_early_, refused_early_, kills_,
        record != nullptr ? record->waited + record->timed_out : 0, parked_,
        record != nullptr ? Milliseconds(record->longest_wait_ns) : 0, Milliseconds(kTimeoutNs),
        Milliseconds(longest_refusal_), record != nullptr ? record->peak : 0, kLimit, most_held_,
        board_.looks(), server_.samples().size(), most_backends_, most_at_server_,
        Milliseconds(longest_lingering_),
        board_.board() != nullptr ? board_.board()->header().repairs : 0,
        Milliseconds(longest_overtaking_), Milliseconds(longest_overtaking_in_place_),
        static_cast<double>(p50) / 1e3, violations_.total());
  }

  const double seconds_;
  const testing::Lateness late_;
  const pqleash::testing::TemporaryDirectory directory_;
  Violations violations_;
  BoardWatch board_;
  ServerWatch server_;
  Log* log_ = nullptr;
  pid_t pids_[kProcesses] = {};
  uint32_t generations_[kProcesses] = {};
  std::map<std::pair<int, uint32_t>, uint64_t> killed_;
  uint32_t kills_ = 0;
  uint64_t attempts_ = 0;
  uint64_t connects_ = 0;
  uint64_t refused_ = 0;
  uint64_t refused_early_ = 0;
  uint64_t parked_ = 0;
  uint64_t longest_refusal_ = 0;
  uint64_t longest_overtaking_ = 0;           // of a parked connect, until it is let go
  uint64_t longest_overtaking_in_place_ = 0;  // of one that waits in place, until it is established
  uint64_t longest_lingering_ = 0;
  int most_held_ = 0;
  size_t most_backends_ = 0;
  uint32_t most_at_server_ = 0;
  std::vector<uint64_t> hand_overs_;
};

int Client(const char* path, const char* process, const char* generation) {
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  void* memory = mmap(nullptr, sizeof(Log), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return 2;
  close(fd);
  return RunClient(static_cast<Log*>(memory), static_cast<int>(strtol(process, nullptr, 10)),
                   static_cast<uint32_t>(strtoul(generation, nullptr, 10)));
}

}  // namespace
}  // namespace pqleash::stress

int main(int count, char** words) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  if (count == 5 && strcmp(words[1], "--client") == 0)
    return pqleash::stress::Client(words[2], words[3], words[4]);
  if (count == 2 && strcmp(words[1], "--take-all") == 0) return pqleash::stress::TakeAll();
  const char* seconds = count == 2 ? words[1] : getenv("PQLEASH_STRESS_SECONDS");
  return pqleash::stress::Stress(seconds != nullptr ? strtod(seconds, nullptr) : 60).Run();
}
