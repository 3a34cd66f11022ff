// SPDX-License-Identifier: Apache-2.0
//
// What one ledger said at one moment, as plain values. The strings are what the other process
// wrote: any bytes, never trusted, to be escaped by whoever shows them. Indexes inside a snapshot
// are checked: they point into its vectors.

#ifndef PQLEASH_REPORTER_SNAPSHOT_SNAPSHOT_H_
#define PQLEASH_REPORTER_SNAPSHOT_SNAPSHOT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pqleash::reporter {

// What became of the process that wrote the ledger.
enum class Life {
  kLive,
  kEnded,     // exit() was called, or main returned
  kKilled,    // gone without exit(): a signal, a crash or _exit
  kReplaced,  // the process exec'd another program
  kUnknown,   // cannot be seen from here
};

// Not known to be gone.
constexpr bool MayLive(Life life) { return life == Life::kLive || life == Life::kUnknown; }

enum class ConnectionState {
  kConnecting,
  kEstablished,
  kFailed,
  kRefused,
  kBroken,
  kResetting,
  kInherited,
  kWaiting,
  kLeftOpen,  // an interpreter closed it in its own shutdown; only of a process that is gone
};

enum class Transaction { kIdle, kActive, kOpen, kFailed, kUnknown };

// Inside of one, whether it can still be committed or not, and no command is running.
constexpr bool IsIdleInside(Transaction transaction) {
  return transaction == Transaction::kOpen || transaction == Transaction::kFailed;
}

enum class Language { kNative, kPython, kRuby, kPhp, kPerl, kUnknown };

// As its people write it, inside of a sentence.
constexpr std::string_view ProperName(Language language) {
  switch (language) {
    case Language::kPython:
      return "Python";
    case Language::kRuby:
      return "Ruby";
    case Language::kPhp:
      return "PHP";
    case Language::kPerl:
      return "Perl";
    case Language::kNative:
    case Language::kUnknown:
      break;
  }
  return "the interpreter";
}

enum class Unwinder { kNone, kCfi, kBacktrace };

// Where the process was in its life when the ledger was read, by its own account.
enum class ProcessPhase { kRunning, kEnding, kEnded };

// By what way calls of a copy of libpq have reached the library.
struct LibpqWays {
  bool bound = false;      // bound by the dynamic linker
  bool looked_up = false;  // handed out by dlsym on a handle
  bool deep_bind = false;  // from an object that asked for RTLD_DEEPBIND
};

struct LibpqCopy {
  std::string path;
  uint32_t version = 0;  // as PQlibVersion: 150018 is 15.18; 0: not known
  LibpqWays ways;
};

// What the library was told to intercept beyond what the dynamic linker binds to it by itself.
struct Intercepted {
  bool look_ups = false;
  bool deep_bind = false;
};

struct Module {
  std::string path;
  std::string build_id;  // bytes, at most 32; empty: it has none
  uint64_t begin = 0;    // run-time addresses
  uint64_t end = 0;
  uint64_t bias = 0;
  bool loaded = false;  // false: it was unloaded again, or its record was being written
};

struct ScriptFrame {
  Language language = Language::kUnknown;
  std::string function;
  std::string file;
  uint32_t line = 0;  // 0: not known
};

struct Frame {
  enum class Kind : uint32_t {
    kAddress,  // `value` is the return address: generated code, or the module was not recorded
    kModule,   // `index` is a Module, `value` the return address minus its bias
    kScript,   // `index` is a ScriptFrame
  };
  Kind kind = Kind::kAddress;
  uint32_t index = 0;
  uint64_t value = 0;
};

struct CallSite {
  uint64_t id = 0;  // 0: what could not be attributed
  uint32_t first_frame = 0;
  uint32_t frame_count = 0;
  bool stack_truncated = false;   // deeper than was recorded
  bool stack_incomplete = false;  // the unwinder gave up
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t failed = 0;
  uint64_t open = 0;
  uint64_t peak = 0;
  uint64_t first_ns = 0;  // CLOCK_MONOTONIC of that process's host
  uint64_t last_ns = 0;
  uint64_t closed_life_ns = 0;  // sum over `closed`: how long they lived
  uint64_t in_use = 0;          // of `open`: see LEDGER.md for what is in use
  uint64_t in_use_peak = 0;
  uint64_t busy_ns = 0;             // sum of the uses that have ended
  uint64_t opened_beside_idle = 0;  // of `opened`, while another one of this place lay idle

  // How long a connection of this place usually lives; 0: none was closed yet.
  uint64_t UsualLifeNs() const { return closed == 0 ? 0 : closed_life_ns / closed; }
};

struct Target {
  std::string host;
  std::string dbname;
  std::string user;
  std::string application_name;
  uint32_t port = 0;  // 0: not known
};

struct Connection {
  ConnectionState state = ConnectionState::kEstablished;
  Transaction transaction = Transaction::kUnknown;
  uint64_t handle = 0;     // address of the PGconn; 0: a blocking connect that has not returned
  uint32_t call_site = 0;  // index
  uint32_t target = 0;     // index
  int32_t tid = 0;
  int32_t backend_pid = 0;      // 0: not known
  uint64_t opened_ns = 0;       // CLOCK_MONOTONIC
  uint64_t established_ns = 0;  // 0: never was
  uint64_t last_activity_ns = 0;
  uint64_t commands = 0;
  uint32_t resets = 0;
  std::string thread_name;
  std::string in_call;                      // libpq function that is running now; empty: none
  std::optional<uint32_t> libpq;            // index into Snapshot::libpq_copies
  uint64_t busy_ns = 0;                     // sum of the uses that have ended
  uint64_t busy_since_ns = 0;               // begin of the one that is running; 0: idle
  uint64_t waited_ns = 0;                   // at caps, before the connect
  std::array<uint32_t, 8> use_counts = {};  // of uses, as ledger::ConnectionSlot has them
  uint64_t longest_rest_ns = 0;  // between two uses: after that long the program came back to it
  uint64_t last_thread = 0;      // pointer of the thread that used it last; 0: never used
  uint32_t thread_changes = 0;   // uses by another thread than the one before
  uint32_t handovers = 0;        // of these, at once after the end of the use before
  Language closed_by = Language::kUnknown;  // of kLeftOpen alone
  uint32_t used_site = 0;  // index; where it was last taken up; 0: not known, or of kInherited
  // Whether it was open before an attach. Then its opening and its life until then are not known,
  // and `opened_ns` is the moment at which it was taken over.
  bool adopted = false;
  // Of kInherited alone: `call_site` is where the opener opened it.
  uint32_t touched_site = 0;   // index; where this process first used it; 0: not known
  std::string touched_by;      // libpq function of that use
  int32_t opener_pid = 0;      // as the opener saw itself; 0: not known
  bool finished_here = false;  // passed to PQfinish, which ends the opener's session
};

// Whether it counts as open: a session of the server's is held for it, or is being renewed.
inline bool IsOpen(const Connection& connection) {
  return connection.state == ConnectionState::kEstablished ||
         connection.state == ConnectionState::kResetting;
}

// Why connects failed, as ledger::FailureClass.
enum class FailureReason {
  kOther,
  kRefused,
  kTimeout,
  kName,
  kUnreachable,
  kAuthentication,
  kNotAllowed,
  kTls,
  kNoRole,
  kNoDatabase,
  kServerFull,
  kRoleLimit,
  kServerUnready,
  kConninfo,
};
inline constexpr size_t kFailureReasons = 14;

// The connects of a process that failed for one reason.
struct Failure {
  uint64_t count = 0;
  uint64_t last_ns = 0;    // CLOCK_MONOTONIC
  std::string text;        // what server or system said of the first one; empty: not known
  uint32_t call_site = 0;  // index; of the last one
};

// Counters of the process, each true of itself.
struct Totals {
  uint64_t open = 0;
  uint64_t peak = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t failed = 0;
  uint64_t unrecorded_connections = 0;
  uint64_t unrecorded_stacks = 0;
  uint64_t unrecorded_modules = 0;
  uint64_t unrecorded_strings = 0;
  uint64_t bypassed_calls = 0;     // that libpq made for a connection opened past the library
  uint64_t bypassed_closes = 0;    // connections destroyed without a PQfinish that was seen
  uint64_t uncovered_lookups = 0;  // functions that dlsym gave out unwrapped
  uint64_t open_when_ending = 0;
  uint64_t in_use = 0;
  uint64_t in_use_peak = 0;
  uint64_t server_full = 0;  // connects that the server refused for want of a slot
  // Of `closed`: by an interpreter in its own shutdown, and by PHP at the end of a request that was
  // not the end of its program.
  uint64_t left_open = 0;
  uint64_t closed_with_request = 0;
  // Of the uses that took a connection up: with their place, and without it.
  uint64_t uses_noted = 0;
  uint64_t uses_not_noted = 0;
  uint32_t use_stacks = 0;  // that are taken a second, at most; 0: none are
};

// How long something took, and how often. buckets[i]: at most 2^i microseconds and more than
// 2^(i-1); the last has no end.
struct TimeHistogram {
  uint64_t sum_ns = 0;
  std::array<uint64_t, 32> buckets = {};
};

struct Times {
  TimeHistogram create;  // connects that were established, without the wait at caps
  TimeHistogram wait;    // connects that waited at caps, admitted or not
  TimeHistogram use;     // uses that have ended, of connections that are open or not
};

// What happened in one period of the process's clock (kHistoryPeriodNs each). Periods in which
// nothing happened have none.
struct HistoryPeriod {
  uint64_t period = 0;  // CLOCK_MONOTONIC divided by kHistoryPeriodNs
  uint32_t opened = 0;
  uint32_t closed = 0;
  uint32_t failed = 0;
  uint32_t server_full = 0;
  uint32_t waited = 0;   // connects that a cap held back
  uint32_t refused = 0;  // and that it refused
  uint32_t open_peak = 0;
  uint32_t in_use_peak = 0;
  uint64_t busy_ns = 0;         // of uses that ended in it
  uint64_t uses = 0;            // that ended in it
  uint32_t thread_changes = 0;  // as of Connection
  uint32_t handovers = 0;
};
inline constexpr uint64_t kHistoryPeriodNs = 10'000'000'000;
inline constexpr uint64_t kHistoryPeriods = 128;

// How the library came into a process, as ledger::AttachState.
enum class Attachment {
  kNone,  // it was there from the start
  kBegun,
  kAttached,
  kDetached,
};

struct Process {
  std::string ledger;  // path of the file
  int32_t pid = 0;     // as the process sees itself
  int32_t parent_pid = 0;
  uint32_t uid = 0;
  uint64_t pid_namespace = 0;  // inode; 0: not known
  uint64_t start_ticks = 0;    // 0: not known
  uint64_t created_realtime_ns = 0;
  uint64_t created_monotonic_ns = 0;
  uint64_t ending_ns = 0;
  uint64_t ended_ns = 0;
  uint64_t run_id = 0;  // 0: none
  std::string boot_id;
  std::string service;
  std::string host_name;
  std::string library_version;
  std::string exe;
  Unwinder unwinder = Unwinder::kNone;
  Intercepted intercepted;
  std::vector<Language> interpreters;  // whose frames have been taken
  ProcessPhase phase = ProcessPhase::kRunning;
  Attachment attachment = Attachment::kNone;  // if there was one: at created_realtime_ns
  // Memory of the process that belongs to the library, where addresses of connections are that the
  // program itself may have lost; of size 0: not known.
  uint64_t private_begin = 0;
  uint64_t private_size = 0;
  // Filled in by whoever looked at the process itself.
  Life life = Life::kUnknown;
  int32_t visible_pid = 0;  // as the reader sees it, while it lives; 0: not seen
};

struct Snapshot {
  Process process;
  Totals totals;
  std::vector<LibpqCopy> libpq_copies;
  std::vector<Module> modules;
  std::vector<ScriptFrame> script_frames;
  std::vector<Frame> frames;
  std::vector<CallSite> call_sites;  // [0]: not attributed
  std::vector<Target> targets;       // [0]: not known
  std::vector<Connection> connections;
  Times times;
  std::vector<HistoryPeriod> history;             // in order of time, each period once
  std::array<Failure, kFailureReasons> failures;  // by FailureReason
  uint64_t in_motion = 0;                         // slots that could not be read whole
  std::vector<std::string> warnings;  // a sentence each: what of this ledger is missing or odd
  // Since when caps of the configuration are not in force as configured because the lock of their
  // board is held, CLOCK_MONOTONIC; 0: all are.
  uint64_t caps_locked_out_since_ns = 0;
  // The moment that ages count from, CLOCK_MONOTONIC: now for a living process, otherwise its last
  // sign of life.
  uint64_t as_of_ns = 0;
};

}  // namespace pqleash::reporter

#endif  // PQLEASH_REPORTER_SNAPSHOT_SNAPSHOT_H_
