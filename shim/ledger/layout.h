// SPDX-License-Identifier: Apache-2.0
//
// The byte layout of a ledger: the one header that the writer (libpqleash.so, inside the host
// process) and the readers (pqleash, in another process) share. LEDGER.md beside it has the map of
// the file, the states of a slot, the order of the stores and what a reader may find after SIGKILL.
//
// Rules of this header
//  - Fixed-width fields, native byte order, natural alignment, no padding that is not named: a
//  static_assert beside each
//    record pins its size and the offsets that matter.
//  - Plain integers only. The writer goes through std::atomic_ref, a reader through copies of the
//  bytes.
//  - Any change of size, offset or meaning raises kVersion. A reader refuses every version but its
//  own.
//  - Every index, offset and size in a ledger is hostile input for a reader.

#ifndef PQLEASH_SHIM_LEDGER_LAYOUT_H_
#define PQLEASH_SHIM_LEDGER_LAYOUT_H_

#include <cstddef>
#include <cstdint>

namespace pqleash::ledger {

inline constexpr char kMagic[8] = {'P', 'Q', 'L', 'E', 'A', 'S', 'H', '\n'};
inline constexpr uint32_t kVersion = 6;
inline constexpr uint32_t kByteOrder = 0x01020304;
// Ledger files are called <pid>-<start time in clock ticks>[.<n>].ledger; n counts the images that
// a process exec'd.
inline constexpr char kFileSuffix[] = ".ledger";

// Where an array of records lies in the file: `capacity` records of `record_size` bytes from
// `offset` on.
struct Section {
  uint64_t offset;
  uint32_t record_size;
  uint32_t capacity;
};
static_assert(sizeof(Section) == 16);

// Times in powers of two: the bounds are 2^0, 2^1, … 2^30 microseconds (18 minutes), then
// everything above.
inline constexpr uint32_t kHistogramBuckets = 32;
struct Histogram {
  uint64_t sum_ns;
  uint64_t buckets[kHistogramBuckets];  // [i]: at most 2^i microseconds, and more than 2^(i-1)
};
static_assert(sizeof(Histogram) == 264);

enum SectionIndex : uint32_t {
  kConnections,   // ConnectionSlot; used up to Header::connections_high_water
  kCallSites,     // CallSite; used up to Header::call_sites_used; number 0 stands for 'not known'
  kFrames,        // uint64_t, see EncodeFrame; used up to Header::frames_used
  kScriptFrames,  // ScriptFrame; used up to Header::script_frames_used
  kModules,       // Module; used up to Header::modules_used
  kTargets,       // Target; used up to Header::targets_used; number 0 stands for 'not known'
  kStrings,       // bytes; used up to Header::strings_used, see String
  kHistory,       // HistoryPeriod; period n of the clock is in record n modulo the capacity
  kBoard,         // bytes: the board of the process itself, shim/caps/layout.h
  kSectionCount,
};

// ---------------------------------------------------------------------------------------------------------------------
// Strings: an append-only heap. A reference is the byte offset of a String inside the section, a
// multiple of 4; 0 is 'none'. `size` counts the bytes that follow, without the NUL behind them. The
// bytes are what the process gave, not necessarily UTF-8, and never trusted. Longer ones are cut at
// kMaxStringSize.
using StringRef = uint32_t;

struct String {
  uint32_t size;
  // char bytes[size + 1];
};
inline constexpr uint32_t kMaxStringSize = 1023;

// ---------------------------------------------------------------------------------------------------------------------
// Modules: executables and shared objects that a frame was seen in. A record stays when its object
// is unloaded, since frames refer to it; the same object loaded again takes the same record.
// Guarded by `sequence` (see LEDGER.md).

enum ModuleState : uint32_t {
  kModuleFree = 0,
  kModuleLoaded = 1,
  kModuleUnloaded = 2,
};

inline constexpr uint32_t kMaxBuildIdSize = 32;

struct Module {
  uint32_t sequence;
  uint32_t state;  // ModuleState
  uint64_t bias;   // run-time address minus address in the ELF file (dl_iterate_phdr's dlpi_addr)
  uint64_t begin;  // run-time address range of its PT_LOAD segments
  uint64_t end;
  StringRef path;
  uint32_t build_id_size;  // bytes; 0: it has none
  uint8_t build_id[kMaxBuildIdSize];
};
static_assert(sizeof(Module) == 72);

// ---------------------------------------------------------------------------------------------------------------------
// Frames: a stack is a run of 64-bit frames, innermost first, beginning at the caller of libpq. The
// upper 16 bits say in what the frame lies, the lower 48 where. Frames of an interpreted program
// stand where the interpreter runs: native frames before them are the driver's, those behind them
// are the interpreter's own and its callers.

inline constexpr uint32_t kFrameKindShift = 48;
inline constexpr uint64_t kFrameValueMask = (uint64_t{1} << kFrameKindShift) - 1;
inline constexpr uint64_t kFrameNoModule =
    0;  // value: the return address itself (generated code, vdso)
inline constexpr uint64_t kFrameScript = 0xffff;  // value: number of a ScriptFrame
inline constexpr uint32_t kMaxModules =
    0xfffe;  // otherwise: 1 + number of a Module; value: return address - bias

constexpr uint64_t EncodeFrame(uint64_t kind, uint64_t value) {
  return kind << kFrameKindShift | (value & kFrameValueMask);
}
constexpr uint64_t FrameKind(uint64_t frame) { return frame >> kFrameKindShift; }
constexpr uint64_t FrameValue(uint64_t frame) { return frame & kFrameValueMask; }

enum Language : uint32_t {
  kNative = 0,
  kPython = 1,
  kRuby = 2,
  kPhp = 3,
  kPerl = 4,
};

// A frame of an interpreted program, interned.
struct ScriptFrame {
  uint32_t language;  // Language
  uint32_t line;      // 1 and up; 0: not known
  StringRef function;
  StringRef file;
};
static_assert(sizeof(ScriptFrame) == 16);

// ---------------------------------------------------------------------------------------------------------------------
// Call sites: one record for each distinct stack that opened a connection, with its counters, or
// that took one up (ConnectionSlot::used_site), which never opened one and counts nothing.
// Append-only; a record is valid once `id` is not 0. Record 0 counts what could not be attributed
// (no stack, table full) and has no frames.

enum CallSiteFlags : uint16_t {
  kStackTruncated = 1,   // deeper than the configured depth
  kStackIncomplete = 2,  // the unwinder gave up before the outermost frame
};

struct CallSite {
  uint64_t id;  // the same in every process of one build; see stack/call_sites.h
  uint32_t first_frame;
  uint16_t frame_count;
  uint16_t flags;     // CallSiteFlags
  uint64_t opened;    // connections that were established
  uint64_t closed;    // of these, ended: by PQfinish, by a reset that failed, or lost
  uint64_t failed;    // connects that never were established: failed, refused or abandoned
  uint32_t open;      // established and not finished now
  uint32_t peak;      // largest `open` so far
  uint64_t first_ns;  // CLOCK_MONOTONIC of the first and of the latest connect
  uint64_t last_ns;
  uint64_t closed_life_ns;      // sum over `closed`: how long they lived, from established on
  uint32_t in_use;              // of `open`, those that are not idle, see ConnectionSlot::busy_ns
  uint32_t in_use_peak;         // largest `in_use` so far
  uint64_t busy_ns;             // sum of the uses that have ended
  uint64_t opened_beside_idle;  // of `opened`, while another one of this place lay idle
};
static_assert(sizeof(CallSite) == 96);

// ---------------------------------------------------------------------------------------------------------------------
// Targets: what connections go to, interned. Append-only; valid once `ready` is 1. Strings are as
// libpq reports them.

struct Target {
  uint32_t ready;
  uint32_t port;   // 0: not known
  StringRef host;  // name, address or directory of the socket
  StringRef dbname;
  StringRef user;
  StringRef application_name;
  uint32_t reserved[2];
};
static_assert(sizeof(Target) == 32);

// ---------------------------------------------------------------------------------------------------------------------
// Connections: one slot for each PGconn that the process holds. Slots are reused.

enum ConnectionState : uint32_t {
  kSlotFree = 0,
  kConnecting = 1,  // a connect is under way (blocking or polled)
  kEstablished = 2,
  kFailed =
      3,  // the connect failed; the PGconn is still to be finished; holds no slot of the server
  kRefused = 4,  // refused by a cap; otherwise as kFailed
  kBroken =
      5,  // was established; libpq has since seen the end of it; the PGconn is still to be finished
  kResetting = 6,  // PQreset or PQresetStart is under way
  kInherited = 7,  // opened before a fork by the parent process; not this process's own
  kWaiting = 8,    // held back by a cap: waits in place or is parked
  kLeftOpen = 9,  // was open until an interpreter closed it in its own shutdown; the PGconn is gone
};

// Slots that stay as kLeftOpen, at most: a host that starts and ends an interpreter over and over
// needs its slots for what it opens.
inline constexpr uint32_t kMaxLeftOpen = 1024;

// PGTransactionStatusType of libpq-fe.h.
enum TransactionStatus : uint32_t {
  kTransactionIdle = 0,     // PQTRANS_IDLE
  kTransactionActive = 1,   // PQTRANS_ACTIVE: a command is in progress
  kTransactionOpen = 2,     // PQTRANS_INTRANS: idle in a transaction
  kTransactionFailed = 3,   // PQTRANS_INERROR: idle in a failed transaction
  kTransactionUnknown = 4,  // PQTRANS_UNKNOWN: the connection is bad
};

// Uses of a connection are counted in steps of four: use_counts[i] are those that end in the
// buckets kFirstUseBucket + 2 * i and the one before it of a Histogram; the last has no end. The
// clock's tick is some 4 ms, the first bound.
inline constexpr uint32_t kFirstUseBucket = 12;
inline constexpr uint32_t kUseCounts = 8;

// A connection that one thread takes up so soon after another has put it down was waited for: some
// half of a millisecond, as far as the processor's own counter of time tells.
inline constexpr uint64_t kHandoverNs = 500'000;
inline constexpr uint64_t kQuietNs = 10'000'000'000;

enum InheritedFlags : uint32_t {
  kFinishedHere = 1,  // this process has passed it to PQfinish, which ends the opener's session
  kAdopted = 2,       // it was open before the library was attached: not of kInherited
};

struct alignas(64) ConnectionSlot {
  // Identity: guarded by `sequence`.
  uint32_t sequence;  // odd while the writer is in the slot
  uint32_t state;     // ConnectionState
  uint64_t handle;    // address of the PGconn; 0 while a blocking connect has not returned
  uint32_t call_site;
  uint32_t target;
  int32_t tid;              // thread that opened it
  int32_t backend_pid;      // server process; 0: not known
  uint64_t opened_ns;       // CLOCK_MONOTONIC at the start of the connect
  uint64_t established_ns;  // 0: never was established
  char thread_name[16];     // NUL-padded, not necessarily terminated
  // Activity: each field is written alone by the one thread that uses the connection, without
  // touching `sequence`. Each is whole; two of them may be from different moments.
  uint64_t
      last_activity_ns;  // CLOCK_MONOTONIC_COARSE at the begin, then at the end of the latest call
  uint64_t commands;     // calls that sent a command to the server
  uint32_t transaction;  // TransactionStatus
  StringRef in_call;     // name of the libpq function that is running now; 0: none
  // In use: from the begin of the command that takes the connection out of idle until it is idle
  // again, by CLOCK_MONOTONIC_COARSE. Reset when the slot is given to another connection.
  uint64_t busy_ns;                 // sum of those that have ended
  uint32_t use_counts[kUseCounts];  // how many took how long, see kFirstUseBucket
  // The rest.
  uint32_t resets;
  uint16_t libpq;      // number of the LibpqCopy that serves it
  uint16_t closed_by;  // of kLeftOpen alone, guarded by `sequence`: the interpreter's Language
  uint64_t waited_ns;  // at caps, before the connect
  // Who took it last: call site of the first command after a rest of a millisecond or by another
  // thread than before; 0: not known. Of kInherited, guarded by `sequence`: of the first use in
  // this process.
  uint32_t used_site;
  // Of kInherited alone, guarded by `sequence`; `call_site` is where the opener opened it.
  StringRef touched_by;  // name of the libpq function of the first use
  int32_t opener_pid;    // the process that opened it
  uint32_t inherited;    // InheritedFlags; kAdopted of any state
  // Activity as well, which found no room above: begin of the use that is running; 0: idle.
  uint64_t busy_since_ns;
  // The longest rest between two uses that was followed by a use: how long its program leaves it
  // and still comes back to it. Time in which no connection of the process was used does not count,
  // but for the first kQuietNs of it: a program that sleeps at night comes back to all of them.
  uint64_t longest_rest_ns;
  // Who used it last: the thread's pointer (what %fs is based on, TPIDR_EL0), as no system call has
  // to be made for it. Stored when a use begins; 0: never used.
  uint64_t last_thread;
  uint32_t thread_changes;  // uses by another thread than the use before
  uint32_t handovers;       // of these, within kHandoverNs of the end of that use
};
static_assert(sizeof(ConnectionSlot) == 192);
static_assert(offsetof(ConnectionSlot, last_activity_ns) == 64,
              "activity has a cache line of its own");
static_assert(offsetof(ConnectionSlot, resets) == 128);

// ---------------------------------------------------------------------------------------------------------------------
// What happened lately: one record for each ten seconds of CLOCK_MONOTONIC in which anything did. A
// record whose `period` is not the one that is looked for is of an earlier round.

inline constexpr uint64_t kHistoryPeriodNs = 10'000'000'000;
inline constexpr uint32_t kHistoryPeriods = 128;  // more than twenty minutes

struct alignas(64) HistoryPeriod {
  uint64_t period;  // CLOCK_MONOTONIC divided by kHistoryPeriodNs; 0: never used
  uint32_t opened;
  uint32_t closed;
  uint32_t failed;
  uint32_t server_full;
  uint32_t waited;          // connects that a cap held back
  uint32_t refused;         // and that it refused
  uint32_t open_peak;       // largest number open
  uint32_t in_use_peak;     // largest number in use at once
  uint64_t busy_ns;         // of uses that ended
  uint64_t uses;            // that ended
  uint32_t thread_changes;  // see ConnectionSlot
  uint32_t handovers;
};
static_assert(sizeof(HistoryPeriod) == 64);

// ---------------------------------------------------------------------------------------------------------------------
// Header: the first 4,096 bytes.

enum ProcessState : uint32_t {
  kProcessLive = 1,
  kProcessEnding = 2,  // exit handlers or finalisers are running: `ending_ns` is set
  kProcessEnded =
      3,  // ended by exit(); after a signal, _exit or a crash it stays at one of the others
};

// Whether the process waits at its end for somebody who looks at its memory (PQLEASH_HOLD_AT_EXIT).
// Stored by the process but for kHoldReleased, which the examiner stores, and then wakes the futex.
enum ExitHold : uint32_t {
  kHoldNone = 0,
  kHoldWaiting = 1,
  kHoldReleased = 2,
  kHoldOver = 3,  // the time was over
};

// How the library has come into the process. The tool refuses to attach to all but kAttachBegun.
enum AttachState : uint32_t {
  kNotAttached = 0,  // it was there from the start
  kAttachBegun = 1,  // `pqleash attach` is at work, or was killed: not all calls are redirected
  kAttached = 2,
  kDetached = 3,  // from `ended_ns` on nothing is recorded, and the process lives on
};

// In the place of a stack, the one frame of a connection that was open before: a frame of no
// language, with this for its function.
inline constexpr char kOpenedBefore[] = "(opened before the attach)";

enum Unwinder : uint32_t {
  kUnwinderNone = 0,
  kUnwinderCfi = 1,
  kUnwinderBacktrace = 2,
};

// What PQLEASH_INTERCEPT has switched on, beyond what the dynamic linker binds to us by itself.
enum Intercepted : uint32_t {
  kInterceptLookUps = 1,   // dlsym and dlvsym on a handle
  kInterceptDeepBind = 2,  // dlopen with RTLD_DEEPBIND
};

// By what way calls of a copy of libpq have reached us.
enum LibpqWays : uint32_t {
  kWayBound = 1,     // bound by the dynamic linker
  kWayLookedUp = 2,  // handed out by dlsym on a handle (ctypes, cffi)
  kWayDeepBind = 4,  // from an object that asked for RTLD_DEEPBIND
};

// A copy of libpq that serves connections of the process.
struct LibpqCopy {
  StringRef path;
  uint32_t version;  // PQlibVersion: 150018 is 15.18; 0: not known
  uint32_t ways;     // LibpqWays
  uint32_t reserved;
};
static_assert(sizeof(LibpqCopy) == 16);
inline constexpr uint32_t kMaxLibpqCopies = 16;

// Why connects fail, by what libpq says of them (libpq/failure.h).
enum FailureClass : uint32_t {
  kFailureOther = 0,
  kFailureRefused = 1,         // nobody listens at the address, or there is no such socket
  kFailureTimeout = 2,         // no answer in time
  kFailureName = 3,            // the host's name has no address
  kFailureUnreachable = 4,     // no route, or the connection was lost while it was being made
  kFailureAuthentication = 5,  // wrong or missing password, certificate or ticket
  kFailureNotAllowed = 6,      // pg_hba.conf has no entry that lets it in
  kFailureTls = 7,
  kFailureNoRole = 8,
  kFailureNoDatabase = 9,
  kFailureServerFull = 10,     // no slot free, for anybody or for ordinary users
  kFailureRoleLimit = 11,      // the role's or the database's own CONNECTION LIMIT is reached
  kFailureServerUnready = 12,  // it starts up, shuts down or recovers
  kFailureConninfo = 13,       // the conninfo itself is wrong
};
inline constexpr uint32_t kFailureClasses = 14;

// The connects that failed for one reason.
struct Failure {
  uint64_t count;
  uint64_t last_ns;    // CLOCK_MONOTONIC
  StringRef text;      // libpq's own words of the first one, without secrets; 0: not known
  uint32_t call_site;  // of the last one
};
static_assert(sizeof(Failure) == 24);

inline constexpr uint32_t kHeaderSize = 4096;
inline constexpr uint32_t kMaxServiceName = 63;

struct Header {
  char magic[8];  // written last when the file is created: until then the file says nothing
  uint32_t version;
  uint32_t header_size;
  uint32_t byte_order;
  uint32_t process_state;  // ProcessState
  uint64_t file_size;
  Section sections[kSectionCount];

  // Who wrote it. Written once.
  int32_t pid;  // as the process sees itself, in the pid namespace below
  int32_t parent_pid;
  uint32_t uid;
  uint32_t stack_depth;          // frames recorded at most
  uint64_t pid_namespace;        // inode of /proc/self/ns/pid; 0: not known
  uint64_t start_ticks;          // field 22 of /proc/self/stat; 0: not known
  uint64_t created_realtime_ns;  // CLOCK_REALTIME and CLOCK_MONOTONIC at one moment
  uint64_t created_monotonic_ns;
  uint64_t run_id;   // names the `pqleash run` or `audit` that started the process; 0: none
  char boot_id[40];  // /proc/sys/kernel/random/boot_id, NUL-padded
  char service[kMaxServiceName + 1];
  char host_name[64];
  char library_version[16];
  StringRef exe;
  uint32_t unwinder;      // Unwinder
  uint32_t intercepted;   // Intercepted
  uint32_t interpreters;  // bit 1 << Language: frames of it have been taken

  // Counters: each is written atomically.
  uint32_t connections_high_water;  // slots that were ever used: a reader looks no further
  uint32_t call_sites_used;
  uint32_t frames_used;
  uint32_t script_frames_used;
  uint32_t modules_used;
  uint32_t targets_used;
  uint32_t strings_used;  // bytes
  uint32_t libpq_copies_used;
  uint32_t open;  // established and not finished
  uint32_t peak;  // largest `open` so far
  uint64_t opened;
  uint64_t closed;
  uint64_t failed;
  // What did not fit, and what passed us by: nothing is dropped in silence.
  uint64_t unrecorded_connections;  // connects without a slot
  uint64_t unrecorded_stacks;       // connects booked on call site 0
  uint64_t unrecorded_modules;
  uint64_t unrecorded_strings;
  uint64_t
      bypassed_calls;  // calls that libpq made of itself for a connection that was opened past us
  uint64_t bypassed_closes;    // connections that libpq destroyed without a PQfinish that we saw
  uint64_t uncovered_lookups;  // functions that dlsym gave out unwrapped: too many copies of libpq
  uint64_t ending_ns;          // CLOCK_MONOTONIC when the process began to end; 0: it did not
  uint64_t ended_ns;
  uint64_t open_when_ending;  // established connections at `ending_ns`
  LibpqCopy libpq_copies[kMaxLibpqCopies];
  Histogram create_time;  // connects that were established, without the wait at caps
  Histogram wait_time;    // connects that waited at caps, admitted or not
  Histogram use_time;     // of connections that have ended; see ConnectionSlot::use_counts
  uint32_t in_use;        // connections that are not idle
  uint32_t in_use_peak;   // largest `in_use` so far
  uint64_t server_full;   // connects that the server refused for want of a slot
  // The library's own tables in the process, for readers of its memory: bytes [begin, begin +
  // size).
  uint64_t private_begin;
  uint64_t private_size;
  // The wait at the end for an examiner; never before the process has begun to end.
  uint32_t exit_hold;  // ExitHold, and a futex
  uint32_t exit_hold_reserved;
  uint64_t exit_hold_until_ns;  // CLOCK_MONOTONIC; the process goes on then, whatever happens
  Failure failures[kFailureClasses];
  // Of `closed`: those that an interpreter closed in its own shutdown, whether their slots have
  // stayed as kLeftOpen or found no room; and those that PHP closed at the end of a request that
  // was not the end of its program.
  uint64_t left_open;
  uint64_t closed_with_request;
  // CLOCK_MONOTONIC since when caps of the configuration are not in force as configured, because
  // another process holds the lock of the board; 0: all are in force.
  uint64_t caps_locked_out_since_ns;
  // Of the uses that took a connection up (ConnectionSlot::used_site): with their place, and
  // without it, as there were too many of them or there was no room.
  uint64_t uses_noted;
  uint64_t uses_not_noted;
  uint32_t use_stacks;  // that are taken a second, at most; 0: none are
  // How the library came into the process: AttachState. An attach was at created_monotonic_ns.
  uint32_t attach_state;
};
static_assert(sizeof(Header) <= kHeaderSize);
static_assert(offsetof(Header, sections) == 32);
static_assert(offsetof(Header, exit_hold) % 4 == 0);

}  // namespace pqleash::ledger

#endif  // PQLEASH_SHIM_LEDGER_LAYOUT_H_
