// SPDX-License-Identifier: Apache-2.0

#include "reporter/reachability/registers.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include "reporter/snapshot/proc_files.h"

namespace pqleash::reporter {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::milliseconds(200);  // for all threads to stop
constexpr auto kGrace = std::chrono::seconds(10);           // for one that was late
// Between two looks whether a thread has stopped, in microseconds.
constexpr useconds_t kHurried = 10;
constexpr useconds_t kUnhurried = 1'000;
constexpr int kMaxRounds = 100;  // of listing threads: they may start threads until all stand still
constexpr size_t kRegisterBytes = 1024;
constexpr std::string_view kNotStopped = " does not stop";

#if defined(__x86_64__)
constexpr bool kCanBeginAnew = true;
#else
constexpr bool kCanBeginAnew = false;
#endif

// Threads under ptrace. Its process must end afterwards: a thread that did not stop even in kGrace
// (it waits for a disk) is let go by that, and by nothing else.
class Seized {
 public:
  Seized(int32_t pid, bool all_threads) : pid_(pid), all_threads_(all_threads && kCanBeginAnew) {}
  ~Seized() {
    for (const Entry& entry : entries_) LetGo(entry);
    // Those that were asked to stop and have not come yet, on a machine that is busy: their calls
    // have ended with EINTR all the same, and the program must not see it.
    const auto limit = Clock::now() + kGrace;
    for (Entry& entry : entries_) {
      if (!entry.stopped && WaitFor(&entry, limit, kUnhurried)) LetGo(entry);
    }
  }
  Seized(const Seized&) = delete;
  Seized& operator=(const Seized&) = delete;

  // Empty, or why not all threads stand still that should.
  std::string Stop() {
    const auto limit = Clock::now() + kPatience;
    for (int round = 0; round < kMaxRounds; ++round) {
      const size_t before = entries_.size();
      const size_t left_before = left_alone_.size();
      // All are asked for before the first one is stopped, so that it does not wait for that.
      std::vector<Thread> fresh;
      for (const int32_t tid : ListPids(fmt::format("/proc/{}/task", pid_))) {
        if (!Knows(tid)) fresh.push_back(ReadThread(pid_, tid));
      }
      for (Thread& thread : fresh) {
        std::string error = Seize(std::move(thread));
        if (!error.empty()) return error;
      }
      if (entries_.size() == before && left_alone_.size() == left_before) {
        return entries_.empty() && left_alone_.empty() ? "the process is gone" : std::string();
      }
      for (size_t i = before; i < entries_.size(); ++i) {
        if (!WaitFor(&entries_[i], limit, kHurried)) {
          return fmt::format("thread {}{}", entries_[i].thread.tid, kNotStopped);
        }
      }
    }
    return "it starts threads all the time";
  }

  std::vector<StoppedThread> Look() const {
    std::vector<StoppedThread> threads;
    for (const Entry& entry : entries_) {
      if (entry.stopped) threads.push_back(Look(entry));
    }
    return threads;
  }

  std::vector<Thread> left_alone() const { return left_alone_; }

 private:
  struct Entry {
    Thread thread;
    bool stopped = false;
    long signal = 0;  // to be delivered when it goes on
  };

  bool Knows(int32_t tid) const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [&](const Entry& entry) { return entry.thread.tid == tid; }) ||
           std::any_of(left_alone_.begin(), left_alone_.end(),
                       [&](const Thread& thread) { return thread.tid == tid; });
  }

  // Between the look at what the thread does and its stop it may do something else: see BeginAnew.
  std::string Seize(Thread thread) {
    const bool unnoticed =
        kCanBeginAnew
            ? StopsUnnoticed(thread.activity) || WaitsForGood(thread.activity)
            : StopsUnnoticed(thread.activity) && thread.activity.kind != Activity::Kind::kRunning;
    if (!unnoticed && !all_threads_) {
      left_alone_.push_back(std::move(thread));
      return {};
    }
    if (ptrace(PTRACE_SEIZE, thread.tid, nullptr, nullptr) != 0) {
      if (errno == ESRCH) return {};  // it has ended
      return WhyRefused(pid_, errno);
    }
    ptrace(PTRACE_INTERRUPT, thread.tid, nullptr, nullptr);
    entries_.push_back({std::move(thread)});
    return {};
  }

  // A thread that ended meanwhile counts as stopped. Its end is left to be seen by whoever waits
  // for it.
  static bool WaitFor(Entry* entry, Clock::time_point limit, useconds_t pause) {
    const auto tid = static_cast<id_t>(entry->thread.tid);
    for (;;) {
      siginfo_t info = {};
      if (waitid(P_PID, tid, &info, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL) != 0) {
        if (errno != EINTR) return true;
      } else if (info.si_pid != 0) {
        if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) return true;
        waitid(P_PID, tid, &info, WSTOPPED | WNOHANG | __WALL);
        entry->stopped = true;
        // A stop for a signal takes the signal away from the thread, unless it is given back.
        if (info.si_status >> 8 == 0) {
          entry->signal = info.si_status;
        } else {
          BeginAnew(entry->thread.tid);
        }
        return true;
      }
      if (Clock::now() >= limit) return false;
      usleep(pause);
    }
  }

  static void LetGo(const Entry& entry) {
    if (entry.stopped) ptrace(PTRACE_DETACH, entry.thread.tid, nullptr, entry.signal);
  }

  // A system call that our stop ended with EINTR has not returned to the program yet. With
  // ERESTARTNOHAND in the place of EINTR the kernel begins it anew, as it does of itself with most
  // others; if there is a signal with a handler after all, the program gets its EINTR.
  static void BeginAnew(int32_t tid) {
#if defined(__x86_64__)
    constexpr int kRestartWithoutHandler = 514;  // ERESTARTNOHAND of the kernel's linux/errno.h
    user_regs_struct registers;
    struct iovec bytes = {&registers, sizeof registers};
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &bytes) != 0 ||
        bytes.iov_len != sizeof registers) {
      return;
    }
    const auto call = static_cast<int64_t>(registers.orig_rax);
    if (call < 0 || static_cast<int64_t>(registers.rax) != -EINTR) return;
    registers.rax = static_cast<uint64_t>(-int64_t{kRestartWithoutHandler});
    ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &bytes);
#else
    static_cast<void>(tid);
#endif
  }

  static StoppedThread Look(const Entry& entry) {
    StoppedThread stopped;
    stopped.thread = entry.thread;
    stopped.registers.resize(2 * kRegisterBytes);
    size_t used = 0;
    for (const long set : {long{NT_PRSTATUS}, long{NT_PRFPREG}}) {
      struct iovec bytes = {stopped.registers.data() + used, kRegisterBytes};
      if (ptrace(PTRACE_GETREGSET, entry.thread.tid, set, &bytes) == 0) used += bytes.iov_len;
#if defined(__x86_64__)
      if (set == NT_PRSTATUS && bytes.iov_len >= sizeof(user_regs_struct)) {
        user_regs_struct registers;
        std::memcpy(&registers, stopped.registers.data(), sizeof registers);
        stopped.thread.stack_pointer = registers.rsp;
      }
#endif
    }
    stopped.registers.resize(used);
    return stopped;
  }

  const int32_t pid_;
  const bool all_threads_;
  std::vector<Entry> entries_;
  std::vector<Thread> left_alone_;
};

// What the helper tells: bytes, each run of them behind its length.
class Message {
 public:
  void Put(uint64_t number) { Put(&number, sizeof number); }
  void Put(const void* bytes, uint64_t size) {
    text_.append(reinterpret_cast<const char*>(&size), sizeof size);
    text_.append(static_cast<const char*>(bytes), size);
  }
  void Put(const Thread& thread) {
    Put(static_cast<uint64_t>(thread.tid));
    Put(thread.name.data(), thread.name.size());
    Put(thread.stack_pointer);
    Put(&thread.activity, sizeof thread.activity);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Of a complete message: the helper is this same program.
class MessageReader {
 public:
  explicit MessageReader(std::string_view text) : text_(text) {}
  std::string_view Take() {
    uint64_t size = 0;
    if (text_.size() < sizeof size) return {};
    std::memcpy(&size, text_.data(), sizeof size);
    text_.remove_prefix(sizeof size);
    const std::string_view bytes = text_.substr(0, size);
    text_.remove_prefix(bytes.size());
    return bytes;
  }
  template <typename Value>
  Value Take() {
    Value value = {};
    const std::string_view bytes = Take();
    if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  Thread TakeThread() {
    Thread thread;
    thread.tid = static_cast<int32_t>(Take<uint64_t>());
    thread.name = Take();
    thread.stack_pointer = Take<uint64_t>();
    thread.activity = Take<Activity>();
    return thread;
  }

 private:
  std::string_view text_;
};

bool WriteAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Appends what comes until `size` bytes are there, or the time is over.
bool ReadUntil(int descriptor, size_t size, Clock::time_point limit, std::string* text) {
  while (text->size() < size) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(limit - Clock::now());
    struct pollfd ready = {descriptor, POLLIN, 0};
    const int count = poll(&ready, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    char bytes[4096];
    const ssize_t got = read(descriptor, bytes, std::min(sizeof bytes, size - text->size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    text->append(bytes, static_cast<size_t>(got));
  }
  return true;
}

constexpr auto kHelperTime = std::chrono::seconds(2);

// Stops the threads, tells what it has seen, and lets them go on when `go_on` ends.
void Help(int32_t pid, bool all_threads, int tell, int go_on) {
  Seized seized(pid, all_threads);
  const std::string error = seized.Stop();
  Message message;
  message.Put(error.data(), error.size());
  const std::vector<Thread> left_alone = seized.left_alone();
  message.Put(left_alone.size());
  for (const Thread& thread : left_alone) message.Put(thread);
  const std::vector<StoppedThread> stopped = seized.Look();
  message.Put(stopped.size());
  for (const StoppedThread& each : stopped) {
    message.Put(each.thread);
    message.Put(each.registers.data(), each.registers.size());
  }
  const uint64_t size = message.text().size();
  const std::string_view head(reinterpret_cast<const char*>(&size), sizeof size);
  if (!WriteAll(tell, head) || !WriteAll(tell, message.text())) return;
  std::string nothing;
  ReadUntil(go_on, 1, Clock::now() + kHelperTime, &nothing);
}

struct Pipe {
  int read_end = -1;
  int write_end = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    CloseReadEnd();
    CloseWriteEnd();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void CloseReadEnd() {
    if (read_end >= 0) close(std::exchange(read_end, -1));
  }
  void CloseWriteEnd() {
    if (write_end >= 0) close(std::exchange(write_end, -1));
  }
};

// By a process of its own: where the program that is looked at is our child (`pqleash audit`), its
// stops would otherwise be ours to wait for, and whoever waits for its end would be told of them.
StopOutcome StopOnce(int32_t pid, bool all_threads,
                     const std::function<void(const std::vector<StoppedThread>&)>& look) {
  StopOutcome outcome;
  Pipe told;
  Pipe go_on;
  const pid_t helper = told.read_end >= 0 && go_on.read_end >= 0 ? fork() : -1;
  if (helper < 0) {
    outcome.error = fmt::format("no process could be started to do it: {}", strerror(errno));
    return outcome;
  }
  if (helper == 0) {
    told.CloseReadEnd();
    go_on.CloseWriteEnd();
    Help(pid, all_threads, told.write_end, go_on.read_end);
    _exit(0);
  }
  told.CloseWriteEnd();
  const auto limit = Clock::now() + kHelperTime;
  std::string size_text;
  std::string text;
  uint64_t size = 0;
  if (ReadUntil(told.read_end, sizeof size, limit, &size_text)) {
    std::memcpy(&size, size_text.data(), sizeof size);
  }
  if (size != 0 && ReadUntil(told.read_end, size, limit, &text)) {
    MessageReader reader(text);
    outcome.error = reader.Take();
    for (auto count = reader.Take<uint64_t>(); count > 0; --count) {
      outcome.left_alone.push_back(reader.TakeThread());
    }
    std::vector<StoppedThread> stopped(reader.Take<uint64_t>());
    for (StoppedThread& each : stopped) {
      each.thread = reader.TakeThread();
      const std::string_view registers = reader.Take();
      each.registers.assign(registers.begin(), registers.end());
    }
    if (outcome.error.empty()) look(stopped);
  } else {
    outcome.error = "it took too long";
  }
  // It ends by itself when it has let all threads go, and must not end before.
  go_on.CloseWriteEnd();
  while (waitpid(helper, nullptr, 0) < 0 && errno == EINTR) {
  }
  return outcome;
}

}  // namespace

StopOutcome WithThreadsStopped(int32_t pid, bool all_threads,
                               const std::function<void(const std::vector<StoppedThread>&)>& look) {
  constexpr int kTries = 3;  // on a machine that is busy, a thread may not be there in time
  StopOutcome outcome;
  for (int i = 0; i < kTries; ++i) {
    outcome = StopOnce(pid, all_threads, look);
    if (!outcome.error.ends_with(kNotStopped)) break;
  }
  return outcome;
}

}  // namespace pqleash::reporter
